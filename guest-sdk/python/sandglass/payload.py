"""Turns values into payloads and back, as Temporal's JSON converter does.

A value is JSON; no value (`None`) is an empty payload of its own kind. Beside what JSON has,
dataclasses, enums, sets, tuples, bytes (base64), UUIDs, decimals (as text), dates and lengths of
time (seconds) are written, and read where the type that is wanted says so.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import enum
import json
import types as _types
import typing
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from .failure import ApplicationError
from .wire import types

__all__ = ["decode", "decode_all", "encode"]

_JSON = b"json/plain"
_NULL = b"binary/null"
_PLAIN = b"binary/plain"


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: getattr(value, field.name) for field in fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, Decimal)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (set, frozenset)):
        # Their order depends on how the component was built.
        return sorted(value, key=lambda item: json.dumps(item, default=_plain, sort_keys=True))
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    if isinstance(value, collections.abc.Iterable):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


_encoder = json.JSONEncoder(
    default=_plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
"""Made once: making one takes longer than most values."""


def encode(value: object) -> types.Payload:
    """Encodes a value.

    Raises:
        ApplicationError: not retryable, of type `PayloadEncoding`: it has no JSON form.
    """
    if value is None:
        return types.Payload([("encoding", _NULL)], b"")
    try:
        data = _encoder.encode(value).encode()
    except (TypeError, ValueError) as error:
        raise ApplicationError(str(error), type="PayloadEncoding", non_retryable=True) from None
    return types.Payload([("encoding", _JSON)], data)


def decode(payload: types.Payload, wanted: Any = Any, what: str = "a value") -> Any:
    """Decodes a value as the type that is wanted. `what` names it in the error.

    Raises:
        ApplicationError: not retryable, of type `PayloadDecoding`: it is not of that type.
    """
    encoding = dict(payload.metadata).get("encoding")
    try:
        if encoding == _NULL:
            return _shape(None, wanted, "")
        if encoding == _PLAIN and wanted in (Any, object, bytes):
            return payload.data
        if encoding != _JSON:
            raise TypeError(f"its encoding is {(encoding or b'none').decode(errors='replace')}")
        return _shape(json.loads(payload.data), wanted, "")
    # Numbers that are none, or too large for what is wanted, are of the last kind.
    except (TypeError, ValueError, ArithmeticError) as error:
        message = f"{what} does not decode as {_name(wanted)}: {error}"
        raise ApplicationError(message, type="PayloadDecoding", non_retryable=True) from None


def decode_all(payloads: list[types.Payload], wanted: Any, what: str) -> Any:
    """Decodes a list of payloads as one value: one as itself, none as `None`, more as a tuple."""
    if not payloads:
        return decode(encode(None), wanted, what)
    if len(payloads) == 1:
        return decode(payloads[0], wanted, what)
    return decode(encode([decode(payload, Any, what) for payload in payloads]), wanted, what)


def _name(wanted: Any) -> str:
    return getattr(wanted, "__name__", None) or str(wanted)


def _wrong(value: object, wanted: Any, path: str) -> TypeError:
    where = f" at {path}" if path else ""
    found = "null" if value is None else type(value).__name__
    return TypeError(f"{found} where {_name(wanted)} is wanted{where}")


_PLAINEST = frozenset((bool, int, float, str))
"""What JSON has as it is."""

_TEXTS: dict[Any, Any] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    uuid.UUID: uuid.UUID,
    Decimal: Decimal,
    bytes: base64.b64decode,
}


def _shape(value: Any, wanted: Any, path: str) -> Any:
    """Gives a value read from JSON the shape that a type annotation asks for."""
    if type(value) is wanted and wanted in _PLAINEST:
        return value
    if isinstance(wanted, typing.TypeAliasType):
        wanted = wanted.__value__
    if wanted in (Any, object) or isinstance(wanted, typing.TypeVar):
        return value
    if wanted is None or wanted is type(None):
        if value is not None:
            raise _wrong(value, None, path)
        return None
    origin = typing.get_origin(wanted)
    if origin in (typing.Union, _types.UnionType):
        return _shape_union(value, wanted, path)
    if origin is typing.Annotated:
        return _shape(value, typing.get_args(wanted)[0], path)
    if origin is typing.Literal:
        if value not in typing.get_args(wanted):
            raise _wrong(value, wanted, path)
        return value
    if origin is not None:
        return _shape_generic(value, origin, typing.get_args(wanted), path)
    return _shape_class(value, wanted, path)


def _shape_union(value: Any, wanted: Any, path: str) -> Any:
    problem: Exception = _wrong(value, wanted, path)
    for option in typing.get_args(wanted):
        try:
            return _shape(value, option, path)
        except (TypeError, ValueError, ArithmeticError) as error:
            problem = error
    raise problem


def _shape_generic(value: Any, origin: Any, args: tuple[Any, ...], path: str) -> Any:
    if issubclass(origin, collections.abc.Mapping):
        if not isinstance(value, dict):
            raise _wrong(value, origin, path)
        keys = {int: int, float: float}.get(args[0], str) if args else str
        of = args[1] if len(args) > 1 else Any
        return {keys(key): _shape(item, of, f"{path}.{key}") for key, item in value.items()}
    if not isinstance(value, list):
        raise _wrong(value, origin, path)
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        if len(args) != len(value):
            raise TypeError(f"{len(value)} values where {len(args)} are wanted at {path or 'it'}")
        return tuple(_shape(v, of, f"{path}[{i}]") for i, (v, of) in enumerate(zip(value, args)))
    of = args[0] if args else Any
    items = [_shape(item, of, f"{path}[{i}]") for i, item in enumerate(value)]
    if origin in (tuple, set, frozenset):
        return origin(items)
    return items


def _shape_class(value: Any, wanted: Any, path: str) -> Any:
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted in (bool, int, float, str, list, dict):
        if type(value) is not wanted:
            raise _wrong(value, wanted, path)
        return value
    if wanted in (tuple, set, frozenset):
        if not isinstance(value, list):
            raise _wrong(value, wanted, path)
        return wanted(value)
    if wanted is timedelta:
        return timedelta(seconds=_shape(value, float, path))
    if wanted in _TEXTS:
        return _TEXTS[wanted](_shape(value, str, path))
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return wanted(value)
    if dataclasses.is_dataclass(wanted):
        return _shape_dataclass(value, wanted, path)
    if typing.is_typeddict(wanted):
        hints = typing.get_type_hints(wanted)
        if not isinstance(value, dict):
            raise _wrong(value, wanted, path)
        return {k: _shape(v, hints.get(k, Any), f"{path}.{k}") for k, v in value.items()}
    return value


def _shape_dataclass(value: Any, wanted: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(value, wanted, path)
    hints = typing.get_type_hints(wanted)
    given = {
        field.name: _shape(value[field.name], hints[field.name], f"{path}.{field.name}")
        for field in dataclasses.fields(wanted)
        if field.name in value
    }
    return wanted(**given)
