"""What the warm-up at a venue told, in a file beside the recording that the venue's market grows.

The executor writes it once; whoever else needs the session (optimizers, the result) reads it.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.basis import Basis
from exchange.errors import RecordingError
from exchange.recording import Meta
from protocol.messages import QuoteParameters

FACTS_NAME = "session.json"
RECORDING_NAME = "recording"


class Facts(BaseModel):
    """What a session at a venue rests on.

    Attributes:
        meta: the instrument, with the fees that the account pays.
        first_ns: first guard step.
        parameters: before the first update.
        quote_units, target_units: opening balances; the target is held at the start.
        first_id: of our first order.
        last_trade_id: of the account, before anything of ours.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    meta: Meta
    first_ns: int
    parameters: QuoteParameters
    quote_units: int
    target_units: int
    first_id: int
    last_trade_id: int

    @property
    def basis(self) -> Basis:
        """What a session is assembled from."""
        return Basis(self.parameters, self.quote_units, self.target_units)


def write_facts(folder: Path, facts: Facts) -> None:
    """Write the file whole."""
    draft = folder / f"{FACTS_NAME}.draft"
    draft.write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / FACTS_NAME)


def has_facts(folder: Path) -> bool:
    """Return whether the warm-up is over."""
    return (folder / FACTS_NAME).exists()


def read_facts(folder: Path) -> Facts:
    """Read the file.

    Raises:
        RecordingError: it is not there, or damaged.
    """
    path = folder / FACTS_NAME
    try:
        return Facts.model_validate_json(path.read_bytes())
    except OSError:
        raise RecordingError(
            f"{path}: not there; the executor writes it at the end of its warm-up"
        ) from None
    except ValidationError as error:
        raise RecordingError(f"{path}: is no session: {error.errors()[0]['msg']}") from None
