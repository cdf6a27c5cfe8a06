"""Reading a configuration: defaults, one TOML file over them, environment over it, flags on top.

Every key is known or refused, in each of the three places; every value remembers its source. A
wrong one is one `SettingsError` line: what, allowed, found, where, and what to do. The settings
themselves (names, units, ranges) are types elsewhere, passed in; secrets are never settings and
come through `protocol.secret`.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from protocol.codec import describe
from protocol.errors import SettingsError, printable

PREFIX = "COUNTERPOINT__"
DEFAULT = "default"
_NOTHING = frozenset({"", "null", "none"})
_TRUTH = {"true": True, "yes": True, "on": True, "1": True}
_TRUTH |= {"false": False, "no": False, "off": False, "0": False}

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[M]):
    """Settings and, by dotted key, the place each value came from."""

    settings: M
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Given:
    """One value as it was found: text must still be read as the field's type."""

    value: object
    source: str
    fix: str
    is_text: bool


def load_settings(
    model_type: type[M],
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Loaded[M]:
    """Build `model_type` from a TOML `file`, `environ` and `flags`, each over the one before.

    Args:
        model_type: sections of frozen fields, at most one level of sections deep.
        file: None when there is none; a named file must exist.
        environ: `COUNTERPOINT__SECTION__KEY` or `COUNTERPOINT__KEY` as text; others are ignored.
        flags: by dotted key; None means not given; text is read as the field's type.

    Raises:
        SettingsError: unknown key, wrong type or range, unreadable file.
    """
    known = leaves(model_type)
    given: dict[str, _Given] = {}
    if file is not None:
        given |= _from_file(file, model_type, known)
    given |= _from_environment(environ or {}, known)
    for key, value in (flags or {}).items():
        if value is not None:
            _must_know(key, known, "flag")
            fix = f"give --set {key}=VALUE another value"
            given[key] = _Given(value, f"flag {key}", fix, is_text=isinstance(value, str))
    document: dict[str, Any] = {}
    for key, item in given.items():
        value = _read(str(item.value), known[key]) if item.is_text else item.value
        section, _, name = key.rpartition(".")
        (document.setdefault(section, {}) if section else document)[name] = value
    try:
        settings = model_type.model_validate(document)
    except ValidationError as error:
        raise SettingsError(_complain(error, model_type, given)) from None
    sources = {key: given[key].source if key in given else DEFAULT for key in known}
    return Loaded(settings, sources)


def leaves(model_type: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of `model_type` by dotted key, sections opened, in order."""
    found: dict[str, FieldInfo] = {}
    for name, field in model_type.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= {f"{name}.{key}": leaf for key, leaf in leaves(kind).items()}
        else:
            found[name] = field
    return found


def values(loaded: Loaded[M]) -> dict[str, dict[str, Any]]:
    """Return value, source and description of every key, plain enough for JSON."""
    plain = loaded.settings.model_dump(mode="json")
    table: dict[str, dict[str, Any]] = {}
    for key, field in leaves(type(loaded.settings)).items():
        section, _, name = key.rpartition(".")
        value = (plain[section] if section else plain)[name]
        table[key] = {
            "value": value,
            "source": loaded.sources[key],
            "description": field.description or "",
        }
    return table


def show(loaded: Loaded[M]) -> str:
    """Return every value with its source as TOML that could be read again."""
    lines: list[str] = []
    opened = ""
    for key, row in values(loaded).items():
        section, _, name = key.rpartition(".")
        if section != opened:
            lines += ["", f"[{section}]"]
            opened = section
        unset = row["value"] is None
        text = f"# {name} is unset" if unset else f"{name} = {json.dumps(row['value'])}"
        lines.append(f"{text:<44} # {row['source']}: {row['description']}")
    return "\n".join(lines) + "\n"


def schema(model_type: type[BaseModel]) -> str:
    """Return the JSON Schema of a configuration file, indented, keys as declared."""
    return json.dumps(model_type.model_json_schema(), indent=2) + "\n"


def _from_file(
    file: Path, model_type: type[BaseModel], known: Mapping[str, FieldInfo]
) -> dict[str, _Given]:
    try:
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"configuration file: {error.strerror} ({file})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(
            f"configuration must be TOML: {printable(str(error))} ({file})"
        ) from None
    sections = set(model_type.model_fields) - set(known)
    given: dict[str, _Given] = {}
    for name, value in document.items():
        if isinstance(value, dict) and name not in sections | set(known):
            near = get_close_matches(name, sections, n=1, cutoff=0.0)
            hint = f", nearest is [{near[0]}]" if near else ""
            raise SettingsError(f"unknown table [{printable(name)}]{hint}; rename it ({file})")
        if name not in sections:
            rows = {name: value}
        elif isinstance(value, dict):
            rows = {f"{name}.{key}": item for key, item in value.items()}
        else:
            raise SettingsError(f"{name} must be a table, found {value!r}; write [{name}] ({file})")
        for key, item in rows.items():
            where = _place(text, key, file)
            _must_know(key, known, where)
            given[key] = _Given(item, where, f"edit {key}", is_text=False)
    return given


def _from_environment(
    environ: Mapping[str, str], known: Mapping[str, FieldInfo]
) -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for name in sorted(environ):
        if name.startswith(PREFIX):
            key = name[len(PREFIX) :].lower().replace("__", ".")
            if key not in known or name != variable_of(key):
                near = variable_of(_nearest(key, known))
                raise SettingsError(
                    f"unknown setting {printable(name)}, nearest is {near}; "
                    f"rename or unset it (environment)"
                )
            where = f"environment {name}"
            given[key] = _Given(environ[name], where, f"correct or unset {name}", is_text=True)
    return given


def variable_of(key: str) -> str:
    """Return the environment variable of a dotted key."""
    return PREFIX + key.upper().replace(".", "__")


def _must_know(key: str, known: Mapping[str, FieldInfo], where: str) -> None:
    if key not in known:
        near = _nearest(key, known)
        raise SettingsError(
            f"unknown setting {printable(key)}, nearest is {near}; rename or remove it ({where})"
        )


def _nearest(key: str, known: Mapping[str, FieldInfo]) -> str:
    by_name = {full.rpartition(".")[2]: full for full in known}
    whole = get_close_matches(key, known, n=1, cutoff=0.75)
    last = get_close_matches(key.rpartition(".")[2], by_name, n=1, cutoff=0.75)
    if whole:
        return whole[0]
    return by_name[last[0]] if last else get_close_matches(key, known, n=1, cutoff=0.0)[0]


def _place(text: str, key: str, file: Path) -> str:
    """Return `file:line` of a key; without the line when it is written in an unusual way."""
    section, _, name = key.rpartition(".")
    opened = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            opened = header[1].strip("\"'")
        stem = re.escape(name)
        if opened == section and re.match(rf"\s*[\"']?{stem}[\"']?\s*[=.]", line):
            return f"{file}:{number}"
        if not opened and section and re.match(rf"\s*{re.escape(section)}\s*\.\s*{stem}\s*=", line):
            return f"{file}:{number}"
    return str(file)


def _read(text: str, field: FieldInfo) -> object:
    """Return `text` as the field's type where it can be; else as it is, to be refused as such."""
    kinds = set(get_args(field.annotation)) or {field.annotation}
    word = text.strip()
    if NoneType in kinds and word.lower() in _NOTHING:
        return None
    if bool in kinds:
        return _TRUTH.get(word.lower(), text)
    for kind in (int, float):
        if kind in kinds and re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", word, re.IGNORECASE):
            try:
                return kind(word)
            except ValueError:
                continue
    return text


def _complain(
    error: ValidationError, model_type: type[BaseModel], given: Mapping[str, _Given]
) -> str:
    known = leaves(model_type)
    _, line = describe(error, model_type)
    keys = [key for key in given if line.startswith(key + " ")]
    if keys:
        item = given[keys[0]]
        default = known[keys[0]].get_default(call_default_factory=True)
        hint = "" if default is None else f" (default {default})"
        return f"{line} ({item.source}); {item.fix}{hint}"
    named = [f"{key} from {given[key].source}" for key in given if key in line]
    return f"{line} ({'; '.join(named) or 'defaults'}); change one of them"
