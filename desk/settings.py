"""What the desk must know, as the command line writes it for it: one JSON document.

The desk reads no configuration file and knows no agent; `counterpoint run --desk` resolves both and
writes `desk.json` into the run's folder.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from desk.errors import DeskError
from protocol.bus.endpoints import Endpoints
from protocol.elements import Name

FilePath = Annotated[Path, Field(strict=False)]
QUIET = r"^(([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])?$"
Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=16)]


class Hubs(BaseModel):
    """Where the bus is; see `protocol.bus.endpoints.Endpoints`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    control_in: str
    control_out: str
    telemetry_in: str
    telemetry_out: str
    server: str | None = None

    def endpoints(self) -> Endpoints:
        """Return them as the bus takes them."""
        return Endpoints(**self.model_dump())


class DeskSettings(BaseModel):
    """Everything that one desk is told at its start."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    run: str = Field(min_length=1, max_length=64, description="under what name rows are stored")
    executors: Names = Field(description="who trades")
    seats: Names = Field(description="the optimizers that have a seat")
    hubs: Hubs
    keys: FilePath = Field(description="folder of the keys of desk and operator, and of tokens")
    database: str = Field(description="URL; may hold a password, so the file is of mode 0600")
    host: str = Field("127.0.0.1", description="address that is served")
    port: int = Field(8765, ge=1, le=65_535)
    folder: FilePath | None = Field(
        None, description="the run's folder, where it is on this host: stop file and logs"
    )
    alerts: FilePath | None = Field(None, description="file of destinations, mode 0600")
    quiet: str = Field(
        "", pattern=QUIET, description="UTC hours in which warnings wait: 22:00-07:00"
    )
    ping: str | None = Field(
        None, description="URL of a dead man's switch, fetched while all is well"
    )
    ping_s: float = Field(60.0, ge=1.0, description="between two pings")
    metrics_port: int = Field(0, ge=0, le=65_535, description="of /metrics; 0: none")
    metrics_host: str = Field("127.0.0.1", description="address on which /metrics are shown")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what a file holds.

        Raises:
            DeskError: it cannot be read, or says something impossible.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise DeskError(f"{path}: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DeskError(f"{path}: {where}: {first['msg']}") from None
