"""The table `desk` of the configuration: the window that `counterpoint run --desk` opens."""

from typing import Final

from pydantic import Field

from agents.section import FilePath, Section

PORT: Final = 8765
QUIET: Final = r"^(([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])?$"


class DeskTable(Section):
    """Where a person looks in; it is served on this host alone."""

    open: bool = Field(False, description="start the desk with the stack, and let it stay")
    port: int = Field(PORT, ge=1024, le=65_535, description="of the desk, on 127.0.0.1")
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        max_length=255,
        description="address that is served; another than loopback needs what keeps strangers out",
    )
    database: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        description="URL of the desk's store: sqlite:///PATH, or postgresql://HOST/NAME; unset: "
        "data/desk.db",
    )
    alerts: FilePath | None = Field(
        None, description="file of Apprise destinations, a line each, mode 0600: whom alerts reach"
    )
    quiet: str = Field(
        "", pattern=QUIET, description="UTC hours in which warnings wait, such as 22:00-07:00"
    )
    ping: str | None = Field(
        None, max_length=512, description="URL of a dead man's switch, fetched while all is well"
    )
    ping_s: float = Field(60.0, ge=1.0, le=86_400.0, description="between two pings, s")
