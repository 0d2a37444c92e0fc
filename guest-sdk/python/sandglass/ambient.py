"""Puts the run's clock, random bytes and log in place of what CPython would ask the system for.

A component has no system. This module is imported before any other that could take hold of a clock
or a random source, and before any code of the project runs, so that nothing of the machine that
builds the component gets into it: while it is built, the time is that of 1970 and random bytes are
always the same. In a run, the time is that of its workflow task, which stands still while code
computes, and random bytes are the run's own; a replay sees the same.

What cannot work in a workflow raises an error that says what to use instead: files, sockets,
blocking sleeps, and modules that were not imported when the component was built.
"""

import builtins
import gc
import io
import linecache
import os
import random
import sys
import time
import traceback

# The accelerated module reads the clock by itself; that in Python asks `time`, which is ours.
sys.modules["_datetime"] = None  # type: ignore[assignment]
sys.modules.pop("datetime", None)

import datetime  # noqa: E402, F401

__all__ = ["begin", "end_lines", "host", "seal"]

_CHUNK = 64 * 1024


class Host:
    """What answers while a run is active; without one, the answers of a build."""

    now_ms = None
    random_bytes = None
    write_log = None


host = Host()
_sealed = False
_build_random = random.Random(0)
_unseeded: list[random.Random] = []
"""Generators that were made without a seed while the component was built."""
_early: list[object] = []
"""What no run needs, but would copy many pages to free."""


def _now_ns() -> int:
    return host.now_ms() * 1_000_000 if host.now_ms else 0


def _now() -> float:
    return host.now_ms() / 1000 if host.now_ms else 0.0


def _urandom(size: int, *_args: object) -> bytes:
    """Returns random bytes of the run. Not for secrets."""
    if host.random_bytes is None:
        return _build_random.randbytes(size)
    parts = []
    while size > 0:
        parts.append(host.random_bytes(min(size, _CHUNK)))
        size -= _CHUNK
    return b"".join(parts)


def _no_sleep(_seconds: float) -> None:
    raise RuntimeError("a workflow must not block: use `await asyncio.sleep(..)`, which is durable")


def _replace_clocks() -> None:
    gmtime, strftime, asctime = time.gmtime, time.strftime, time.asctime
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, lambda: _now())
        setattr(time, f"{name}_ns", lambda: _now_ns())
    time.clock_gettime = lambda _clock: _now()
    time.clock_gettime_ns = lambda _clock: _now_ns()
    # The time zone of a workflow is UTC.
    time.gmtime = lambda secs=None: gmtime(_now() if secs is None else secs)
    time.localtime = time.gmtime
    time.asctime = lambda t=None: asctime(time.gmtime() if t is None else t)
    time.ctime = lambda secs=None: asctime(time.gmtime(secs))
    time.strftime = lambda format, t=None: strftime(format, time.gmtime() if t is None else t)
    time.sleep = _no_sleep


def _replace_random() -> None:
    seed = random.Random.seed

    def seeded(self: random.Random, a: object = None, version: int = 2) -> None:
        if a is None and host.random_bytes is None:
            _unseeded.append(self)
        # Without a seed CPython would ask the system.
        seed(self, int.from_bytes(_urandom(32), "big") if a is None else a, version)

    random.Random.seed = seeded  # type: ignore[method-assign]
    random._urandom = _urandom  # type: ignore[attr-defined]
    os.urandom = _urandom
    os.getrandom = _urandom  # type: ignore[attr-defined]
    random.seed = random._inst.seed  # type: ignore[attr-defined]
    random.seed(0)


def _refuse(function: object, what: str) -> object:
    def refused(*args: object, **kwargs: object) -> object:
        if _sealed:
            raise PermissionError(
                f"{what}: a workflow has no files; use an activity, or read the file when the "
                "module is imported"
            )
        return function(*args, **kwargs)  # type: ignore[operator]

    return refused


def _replace_files() -> None:
    builtins.open = _refuse(builtins.open, "open")  # type: ignore[assignment]
    io.open = builtins.open
    names = ("open", "stat", "lstat", "listdir", "scandir", "mkdir", "rmdir", "remove", "unlink")
    for name in (*names, "rename", "replace", "readlink", "symlink", "link", "getcwd", "chdir"):
        if hasattr(os, name):
            setattr(os, name, _refuse(getattr(os, name), f"os.{name}"))


class _Lines(io.TextIOBase):
    """A standard stream whose lines are lines of the run's log."""

    def __init__(self, level: str, target: str, original: object) -> None:
        self._level, self._target, self._original = level, target, original
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not _sealed:
            return self._original.write(text)  # type: ignore[attr-defined]
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._tell(line)
        return len(text)

    def end(self) -> None:
        """Tells what has no end of its line yet: it belongs to this event."""
        if self._line:
            line, self._line = self._line, ""
            self._tell(line)

    def _tell(self, line: str) -> None:
        if host.write_log:
            host.write_log(self._level, self._target, line)


class _NotBuiltIn:
    """The last finder: says why a module that the component lacks cannot be imported."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        raise ModuleNotFoundError(
            f"the module {name} is not in this component, which has what was imported when it was "
            "built; import it at the top of a module, or name it in `modules` of [tool.sandglass]",
            name=name,
        )


def _keep_sources() -> None:
    """Reads the lines that tracebacks show, while there are files, and keeps what was imported."""
    library = os.path.dirname(os.__file__)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and not file.startswith(library):
            linecache.getlines(file)
    linecache.checkcache = lambda *_args: None  # type: ignore[assignment]
    linecache.updatecache = lambda *_args: []  # type: ignore[assignment]
    # It parses a line; for one that is no statement by itself CPython would open the file.
    traceback._extract_caret_anchors_from_line_segment = lambda *_args: None  # type: ignore[attr-defined]
    # What is there now stays. Looking at it again would make each run's memory a copy of it.
    gc.collect()
    gc.freeze()


def seal() -> None:
    """Ends the time in which there are files: from now on this is a component."""
    global _sealed
    if _sealed:
        return
    _sealed = True
    kept = ("BuiltinImporter", "FrozenImporter")
    finders = [one for one in sys.meta_path if getattr(one, "__name__", "") in kept]
    sys.meta_path[:] = [*finders, _NotBuiltIn]
    _early.append(sys.path_importer_cache)
    sys.path_importer_cache = {}


def begin() -> None:
    """A run has begun: what was seeded when the component was built is seeded anew."""
    random.seed()
    for generator in _unseeded:
        generator.seed()


def end_lines() -> None:
    """Ends the lines of standard output and error, with the event that printed them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Lines):
            stream.end()


def install() -> None:
    """Replaces everything. Called once, when the package is imported."""
    _replace_clocks()
    _replace_random()
    _replace_files()
    sys.stdout = _Lines("info", "stdout", sys.stdout)
    sys.stderr = _Lines("warn", "stderr", sys.stderr)


keep_sources = _keep_sources
