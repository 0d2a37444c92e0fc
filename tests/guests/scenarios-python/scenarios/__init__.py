"""The workflows of the acceptance scenarios that are played in each language.

Each is named after its scenario; `README.md` of tests/guests/scenarios lists them with the
activities that the test host must serve.
"""

from . import cleanup, determinism, libraries, relatives, saga, scopes, simple, waiting

__all__ = [
    "cleanup",
    "determinism",
    "libraries",
    "relatives",
    "saga",
    "scopes",
    "simple",
    "waiting",
]
