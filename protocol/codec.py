"""Words to bytes and back, JSON and msgpack. Total: any bytes in, a word or a `CodecError` out.

The two encodings obey one set of rules. Before a document meets its type it is already free of
duplicate keys, NaN, infinities, integers beyond 64 bits, text that is not UTF-8, and more than
eight levels of nesting. `E_SCHEMA` says that the shape is wrong, `E_BOUNDS` that a well-formed
value lies out of range; when both hold, the shape is named. A CodecError is the only exception
that leaves here.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar, cast, get_args

import msgpack
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from protocol.elements import INT_MAX, Word
from protocol.errors import CodecError, NackCode
from protocol.messages import WORDS, word_type

W = TypeVar("W", bound=Word)

BODY_MAX = 65_536
"""Largest body, bytes (PROTOCOL.md 2)."""
DEPTH_MAX = 8
ENCODINGS = ("json", "msgpack")
# Linear on any input: an unterminated string swallows the rest instead of being tried again.
_JSON_PIECE = re.compile(r'[\[\]{}]|"(?:[^"\\]+|\\.)*+"?', re.DOTALL)
_BOUNDS = frozenset(
    {
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "out_of_range",
    }
)
_ALLOWED = {
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "missing": "is missing",
    "float_type": "must be a number",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "finite_number": "must be finite",
    "tuple_type": "must be an array",
    "list_type": "must be an array",
    "dict_type": "must be a map",
    "model_type": "must be a map",
    "model_attributes_type": "must be a map",
    "string_unicode": "must be text",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} items",
}


def encode(word: Word, enc: str = "json") -> bytes:
    """Return the canonical body of `word`: keys as declared, no spaces, absent options left out.

    Raises:
        CodecError: E_SCHEMA when it is longer than 64 KiB or not plain (a free map may be).
    """
    return _pack(_document(word), enc, word.type_name or type(word).__name__)


def decode(type_name: str, enc: str, body: bytes) -> Word:
    """Return the word called `type_name` that `body` holds.

    Raises:
        CodecError: E_SCHEMA or E_BOUNDS, and nothing else whatever the bytes are.
    """
    return parse(type_name, _unpack(enc, body, type_name))


def encode_batch(words: Sequence[Word], enc: str = "msgpack") -> bytes:
    """Return one body holding `words` of one type as an array (telemetry travels so).

    Raises:
        CodecError: E_SCHEMA when they are of several types, or more than 64 KiB together.
    """
    names = {word.type_name for word in words}
    if len(names) > 1:
        _refuse(f"a batch must be of one type, found {', '.join(sorted(names))}")
    whence = f"batch of {next(iter(names), 'nothing')}"
    return _pack([_document(word) for word in words], enc, whence)


def decode_batch(type_name: str, enc: str, body: bytes) -> tuple[Word, ...]:
    """Return the words of a batch, in order.

    Raises:
        CodecError: E_SCHEMA or E_BOUNDS; one wrong word refuses the batch.
    """
    document = _unpack(enc, body, type_name, depth_max=DEPTH_MAX + 1)
    if not isinstance(document, list):
        _refuse(f"a batch must be an array, found {_show(document)} ({type_name})")
    return tuple(parse(type_name, item) for item in document)


def parse(type_name: str, document: object) -> Word:
    """Return the word that an already decoded `document` is.

    Raises:
        CodecError: E_SCHEMA or E_BOUNDS.
    """
    kind = word_type(type_name, document)
    if kind is None:
        _refuse(
            f"type must be one of {len(WORDS)} words such as parameter_update, found {type_name!r}"
        )
    return parse_as(kind, document, whence=type_name)


def parse_as(kind: type[W], document: object, *, whence: str) -> W:
    """Return `document` as a `kind`, which may be a part of a word or a header.

    Raises:
        CodecError: E_SCHEMA or E_BOUNDS, ending in `whence`.
    """
    if not isinstance(document, dict):
        _refuse(f"must be a map, found {_show(document)} ({whence})")
    for name, field in kind.model_fields.items():
        if field.alias is not None and field.alias != name and name in document:
            _refuse(f"{name} is not a key, nearest is {field.alias} ({whence})")
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        code, line = describe(error, kind)
        raise CodecError(code, f"{line} ({whence})") from None


def loads_strict(data: bytes, *, depth_max: int = DEPTH_MAX) -> Any:
    """Return the JSON document in `data`.

    Raises:
        CodecError: E_SCHEMA: not UTF-8, not JSON, a duplicate key, NaN or an infinity (1e999
            included), an integer beyond 64 bits, more than `depth_max` levels of nesting.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"must be UTF-8, found byte {data[error.start]:#04x} at {error.start}")
    if data.count(b"[") + data.count(b"{") > depth_max:
        _check_depth(text, depth_max)
    try:
        return json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_int64,
        )
    except json.JSONDecodeError as error:
        _refuse(f"must be JSON: {error.msg} at character {error.pos}")


def unpack_strict(data: bytes, *, depth_max: int = DEPTH_MAX) -> Any:
    """Return the msgpack document in `data`, under the rules of `loads_strict`.

    Raises:
        CodecError: E_SCHEMA; binary strings, extension types and time stamps are refused too.
    """
    try:
        document = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            use_list=True,
            object_pairs_hook=_pairs,
            ext_hook=_no_extension,
        )
    except CodecError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        _refuse(f"must be msgpack: {type(error).__name__} {error}")
    _check_plain(document, depth_max)
    return document


def describe(error: ValidationError, kind: type[BaseModel]) -> tuple[NackCode, str]:
    """Return the code and one line (what, allowed, found) of a document that is no `kind`."""
    details = error.errors(include_url=False, include_context=True)
    shapes = [item for item in details if item["type"] not in _BOUNDS]
    first = (shapes or details)[0]
    where = ".".join(str(part) for part in first["loc"])
    code = NackCode.SCHEMA if shapes else NackCode.BOUNDS
    return code, f"{where} {_allowed(first, _range(kind, first['loc']))}".strip()


def _range(kind: type[BaseModel], where: tuple[int | str, ...]) -> str:
    """Return both bounds of the field at `where`, such as `must be in [1, 50]`; else nothing."""
    at: type[BaseModel] | None = kind
    low = high = ""
    for part in where:
        if at is None or isinstance(part, int):
            continue
        field = at.model_fields.get(part)
        if field is None:
            return ""
        figures = {
            name: f"{getattr(each, name):g}"
            for each in field.metadata
            for name in ("gt", "ge", "lt", "le")
            if getattr(each, name, None) is not None
        }
        low = f"({figures['gt']}" if "gt" in figures else f"[{figures.get('ge', '')}"
        high = f"{figures['lt']})" if "lt" in figures else f"{figures.get('le', '')}]"
        kinds = (field.annotation, *get_args(field.annotation))
        at = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    return f"must be in {low}, {high}" if len(low) > 1 and len(high) > 1 else ""


def _allowed(item: ErrorDetails, span: str) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return "is not a key"
    if kind == "out_of_range":
        return item["msg"]
    template = _ALLOWED.get(kind)
    allowed = template.format(**context) if template else item["msg"]
    if kind in _BOUNDS and span:
        allowed = span
    return allowed if kind == "missing" else f"{allowed}, found {_show(item['input'])}"


def _document(word: Word) -> dict[str, Any]:
    document = word.model_dump(mode="json", by_alias=True)
    for name, field in type(word).model_fields.items():
        if not field.is_required() and document.get(name) is None:
            document.pop(name, None)
    return document


def _pack(document: object, enc: str, whence: str) -> bytes:
    _check_plain(document, DEPTH_MAX + isinstance(document, list))
    if enc == "json":
        data = json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    elif enc == "msgpack":
        data = cast("bytes", msgpack.packb(document, use_bin_type=True))
    else:
        _refuse(f"enc must be json or msgpack, found {enc!r} ({whence})")
    if len(data) > BODY_MAX:
        _refuse(f"body must have at most {BODY_MAX} bytes, found {len(data)} ({whence})")
    return data


def _unpack(enc: str, body: bytes, whence: str, depth_max: int = DEPTH_MAX) -> Any:
    if len(body) > BODY_MAX:
        _refuse(f"body must have at most {BODY_MAX} bytes, found {len(body)} ({whence})")
    if enc not in ENCODINGS:
        _refuse(f"enc must be json or msgpack, found {enc!r} ({whence})")
    read = loads_strict if enc == "json" else unpack_strict
    return read(body, depth_max=depth_max)


def _refuse(detail: str) -> NoReturn:
    raise CodecError(NackCode.SCHEMA, detail)


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not isinstance(name, str):
            _refuse(f"keys must be text, found {_show(name)}")
        if name in found:
            _refuse(f"key {name} must stand once, found it twice")
        found[name] = value
    return found


def _no_constant(text: str) -> NoReturn:
    _refuse(f"numbers must be finite, found {text}")


def _no_extension(code: int, _data: bytes) -> NoReturn:
    _refuse(f"must be plain msgpack, found extension type {code}")


def _finite(text: str) -> float:
    value = float(text)
    if not -float("inf") < value < float("inf"):
        _refuse(f"numbers must be finite, found {_show(text)}")
    return value


def _int64(text: str) -> int:
    # Length first: Python refuses to read integers of thousands of digits with an error of its own.
    if len(text) > 20 or not -INT_MAX - 1 <= int(text) <= INT_MAX:
        _refuse(f"integers must fit in 64 bits, found {_show(text)}")
    return int(text)


def _check_depth(text: str, depth_max: int) -> None:
    depth = 0
    for piece in _JSON_PIECE.finditer(text):
        mark = piece[0][0]
        depth += (mark in "[{") - (mark in "]}")
        if depth > depth_max:
            _refuse(f"must be nested at most {depth_max} levels deep, found more")


def _check_plain(value: object, depth_left: int) -> None:
    """Refuse what JSON could not say, or what nests deeper than `depth_left`."""
    if isinstance(value, dict | list):
        if depth_left == 0:
            _refuse("must be nested at most 8 levels deep, found more")
        for item in value.values() if isinstance(value, dict) else value:
            _check_plain(item, depth_left - 1)
    elif isinstance(value, bool) or value is None or isinstance(value, str):
        return
    elif isinstance(value, int):
        if not -INT_MAX - 1 <= value <= INT_MAX:
            _refuse(f"integers must fit in 64 bits, found {value}")
    elif isinstance(value, float):
        if not -float("inf") < value < float("inf"):
            _refuse(f"numbers must be finite, found {value}")
    else:
        _refuse(f"must be plain, found {type(value).__name__}")
