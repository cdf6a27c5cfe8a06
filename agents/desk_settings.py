"""The table `desk` of the configuration: the window that `counterpoint run --desk` opens."""

from typing import Final

from pydantic import Field

from agents.section import Section

PORT: Final = 8765


class DeskTable(Section):
    """Where a person looks in; it is served on this host alone."""

    open: bool = Field(False, description="start the desk with the stack, and let it stay")
    port: int = Field(PORT, ge=1024, le=65_535, description="of the desk, on 127.0.0.1")
    database: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        description="URL of the desk's store: sqlite:///PATH, or postgresql://HOST/NAME; unset: "
        "data/desk.db",
    )
