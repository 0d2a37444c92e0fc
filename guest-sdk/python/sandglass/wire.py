"""The host's functions and types, and the conversion of failures, lengths of time and points in time.

`wit_world` is what componentize-py makes of the WIT package `sandglass:workflow`. Nothing outside
this package's modules should use it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from componentize_py_types import Err, Ok
from wit_world.imports import (
    activities,
    attributes,
    cancellation,
    children,
    compensation,
    execution,
    externals,
    info,
    log,
    timers,
    types,
    updates,
    waits,
)

__all__ = [
    "Err",
    "Length",
    "Ok",
    "activities",
    "attributes",
    "cancellation",
    "children",
    "compensation",
    "execution",
    "externals",
    "info",
    "instant",
    "log",
    "millis",
    "timers",
    "types",
    "updates",
    "waits",
]

type Length = timedelta | float
"""A length of time: a `timedelta`, or seconds."""


def millis(length: Length | None) -> int | None:
    """A length of time as the host counts it: whole milliseconds, rounded up."""
    if length is None:
        return None
    if isinstance(length, timedelta):
        micros = length // timedelta(microseconds=1)
        return max(0, -(-micros // 1000))
    # Rounded to nanoseconds first, or 0.1 + 0.2 seconds would be 301 ms.
    return max(0, -(-round(length * 1_000_000_000) // 1_000_000))


def instant(at: int) -> datetime:
    """A point in time that the host gave."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
