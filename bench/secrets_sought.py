"""Every secret that `counterpoint keys` makes, and where bytes of one stand."""

import base64
import binascii
import json
from collections.abc import Iterable
from pathlib import Path

SHORT = 16
"""Whatever is shorter could stand somewhere by chance."""


def secrets_in(keys: Path) -> dict[str, str]:
    """Return every secret below the folder of the keys, by the name of its file."""
    found = {}
    for path in keys.glob("*.key"):
        told = json.loads(path.read_text(encoding="ascii"))
        found |= {f"{path.name} {kind}": told[kind] for kind in ("sign", "curve")}
    for pattern in ("*.token", "exchange/*.api-*", "exchange/*.password"):
        found |= {
            path.name: path.read_text(encoding="ascii").strip() for path in keys.glob(pattern)
        }
    return found


def forms_of(secret: str) -> list[bytes]:
    """Return what a secret may look like: text, base64, JSON, bytes, hexadecimal."""
    text = secret.encode()
    found = {text, base64.b64encode(text), json.dumps(secret)[1:-1].encode()}
    for decode in (bytes.fromhex, lambda each: base64.b64decode(each, validate=True)):
        try:
            raw = decode(secret)
        except (ValueError, binascii.Error):
            continue
        found |= {raw, raw.hex().encode(), base64.b64encode(raw)}
    return [each for each in found if len(each) >= SHORT]


class Sought:
    """Looks for secrets.

    Args:
        secrets: by name.

    Attributes:
        looked: how many places were looked at.
        found: secret and place of each that was found.
    """

    def __init__(self, secrets: dict[str, str]) -> None:
        self._forms = {name: forms_of(secret) for name, secret in secrets.items()}
        self.looked, self.found = 0, set[str]()

    def look(self, place: str, parts: Iterable[bytes]) -> None:
        """Look at what stands in a place, which may come in parts; it must be something."""
        overlap = max(len(form) for forms in self._forms.values() for form in forms)
        before, size = b"", 0
        for part in parts:
            size += len(part)
            text = before + part
            self.found |= {
                f"{name} in {place}"
                for name, forms in self._forms.items()
                if any(form in text for form in forms)
            }
            before = text[-overlap:]
        if not size:
            raise AssertionError(f"nothing to look at: {place}")
        self.looked += 1
