"""The run's log: silent in replay. The module `logging` of the standard library writes to it, too."""

from __future__ import annotations

import logging

from . import ambient

__all__ = ["debug", "error", "info", "install", "trace", "warn"]


def _write(level: str, message: str) -> None:
    if ambient.host.write_log:
        ambient.host.write_log(level, "workflow", message)


def trace(message: str) -> None:
    """Writes a line for following the code closely."""
    _write("trace", message)


def debug(message: str) -> None:
    """Writes a line for debugging."""
    _write("debug", message)


def info(message: str) -> None:
    """Writes a line for operators, in normal operation."""
    _write("info", message)


def warn(message: str) -> None:
    """Writes a line about something unexpected that was dealt with."""
    _write("warn", message)


def error(message: str) -> None:
    """Writes a line about something that went wrong."""
    _write("error", message)


class _Handler(logging.Handler):
    """Writes what is logged by `logging` to the run's log."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error"
        for bound, name in ((10, "trace"), (20, "debug"), (30, "info"), (40, "warn")):
            if record.levelno < bound:
                level = name
                break
        if ambient.host.write_log:
            ambient.host.write_log(level, record.name, self.format(record))


def install() -> None:
    """Makes the root logger write to the run's log, from INFO on."""
    root = logging.getLogger()
    root.addHandler(_Handler())
    root.setLevel(logging.INFO)
