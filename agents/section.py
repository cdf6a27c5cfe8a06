"""What every table of the configuration file has in common."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

FilePath: TypeAlias = Annotated[Path, Field(strict=False)]


class Section(BaseModel):
    """One table of the configuration file."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
