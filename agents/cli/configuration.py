"""`counterpoint config`: every setting, its value, and where it came from."""

import json

from agents.settings import Settings
from protocol.settings import Loaded, values
from protocol.settings import schema as schema_of
from protocol.settings import show as show_text


def show(loaded: Loaded[Settings], *, as_json: bool) -> None:
    """Print every setting with its source."""
    if as_json:
        print(json.dumps(values(loaded), indent=2, default=str))
    else:
        print(show_text(loaded))


def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    print(schema_of(Settings))
