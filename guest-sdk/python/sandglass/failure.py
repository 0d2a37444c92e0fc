"""The errors of workflows and of what they wait for.

A cancellation is an `asyncio.CancelledError`, as everywhere in asyncio: `CanceledError`, which also
says why. Every other failure is a `Failure`. A workflow that raises one of these, or a
`TimeoutError`, fails (or is canceled, if its cancellation was requested); any other exception is a
bug and fails the workflow task, which is tried again: mend the code and go on.
"""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .wire import Length, instant, millis, types

__all__ = [
    "ActivityError",
    "ApplicationError",
    "CancelCause",
    "CancelInfo",
    "CanceledError",
    "ChildWorkflowError",
    "Failure",
    "RetryState",
    "ServerError",
    "TerminatedError",
    "TimeoutFailure",
    "TimeoutKind",
    "is_cancellation",
]

_SOURCE = "sandglass-python"

CancelCause = types.CancelCause
RetryState = types.RetryState
TimeoutKind = types.TimeoutKind


@dataclass(frozen=True)
class CancelInfo:
    """Why, by whom and when a scope was canceled. The first cancellation of a scope is kept."""

    cause: CancelCause
    """What caused the cancellation."""
    reason: str
    """The reason given; empty if none was."""
    requester: str
    """Who asked for it; empty if code or a timeout did."""
    at: datetime
    """When it was recorded."""
    deadline: datetime | None
    """When the host stops waiting for the run to end, if it will."""


def cancel_info(info: types.CancelInfo | None) -> CancelInfo | None:
    """A cancellation that the host tells of."""
    if info is None:
        return None
    deadline = None if info.deadline is None else instant(info.deadline)
    return CancelInfo(info.cause, info.reason, info.requester, instant(info.at), deadline)


class _Linked:
    """What all failures have: their links, as the host and other languages know them."""

    _links: list[types.FailureLink]

    @property
    def message(self) -> str:
        """What went wrong, without its causes."""
        return self._links[0].message

    @property
    def cause(self) -> BaseException | None:
        """The failure that caused this one, if there is one."""
        return from_links(self._links[1:]) if len(self._links) > 1 else None

    def _details(self, wanted: Any) -> Any:
        from .payload import decode_all

        for link in self._links:
            match link.info:
                case types.FailureInfo_Application(value) | types.FailureInfo_Canceled(value):
                    return decode_all(value.details, wanted, "the failure's details")
                case types.FailureInfo_Timeout(value):
                    kept = value.last_heartbeat_details
                    return decode_all(kept, wanted, "the last heartbeat's details")
        return None

    def details(self, wanted: Any = Any) -> Any:
        """The values that describe the failure; for a timeout, those of the last heartbeat."""
        return self._details(wanted)

    def __str__(self) -> str:
        return ": ".join(_text(link) for link in self._links)


class Failure(_Linked, Exception):
    """Why a workflow, an activity or another operation failed."""


class ApplicationError(Failure):
    """An error that code raised: of a workflow, or of an activity."""

    def __init__(
        self,
        message: str,
        *details: object,
        type: str = "",
        non_retryable: bool = False,
        next_retry_delay: Length | None = None,
    ) -> None:
        """Makes an error. `type` is the name that retry policies and callers go by."""
        from .payload import encode

        super().__init__(message)
        encoded = [encode(detail) for detail in details]
        made = types.ApplicationFailure(type, non_retryable, encoded, millis(next_retry_delay))
        self._links = [_link(message, types.FailureInfo_Application(made))]

    @property
    def type(self) -> str:
        """The error's type."""
        return self._links[0].info.value.failure_type

    @property
    def non_retryable(self) -> bool:
        """Whether another attempt cannot cure it."""
        return self._links[0].info.value.non_retryable


class TimeoutFailure(Failure, TimeoutError):
    """A limit on time was exceeded, by an activity or a scope."""

    @property
    def kind(self) -> TimeoutKind:
        """Which limit. That of a scope counts as start-to-close."""
        return self._links[0].info.value.kind


class TerminatedError(Failure):
    """A child workflow was terminated."""


class ServerError(Failure):
    """The host failed."""


class ActivityError(Failure):
    """An activity failed; `cause` says how."""

    @property
    def activity(self) -> types.ActivityFailure:
        """Which one."""
        return self._links[0].info.value


class ChildWorkflowError(Failure):
    """A child workflow failed; `cause` says how."""

    @property
    def child(self) -> types.ChildWorkflowFailure:
        """Which one."""
        return self._links[0].info.value


class CanceledError(_Linked, asyncio.CancelledError):
    """A cancellation that reached what the code waited for.

    Like every `asyncio.CancelledError` it is not an `Exception`: only code that means to catch it
    does.
    """

    @property
    def activity(self) -> types.ActivityFailure | None:
        """The activity that was canceled, if it was one."""
        info = self._links[0].info
        return info.value if isinstance(info, types.FailureInfo_Activity) else None

    @property
    def child(self) -> types.ChildWorkflowFailure | None:
        """The child workflow that was canceled, if it was one."""
        info = self._links[0].info
        return info.value if isinstance(info, types.FailureInfo_ChildWorkflow) else None

    @property
    def settled(self) -> bool:
        """Whether what was canceled is known to have ended; else its effect may still happen."""
        return self._links[-1].info.value.settled

    @property
    def info(self) -> CancelInfo | None:
        """The cancellation of the scope, if that is what canceled it."""
        return cancel_info(self._links[-1].info.value.request)


def is_cancellation(error: BaseException | None) -> bool:
    """Whether this is a cancellation, bare or as the cause of an activity's or child's failure."""
    return isinstance(error, asyncio.CancelledError)


def is_failure(error: BaseException) -> bool:
    """Whether a workflow that raises this has failed, rather than has a bug."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_failure(part) for part in error.exceptions)
    return isinstance(error, (Failure, TimeoutError, asyncio.CancelledError))


def from_links(links: list[types.FailureLink]) -> Failure | CanceledError:
    """A failure that the host gave."""
    what = links[0].info
    about = isinstance(what, (types.FailureInfo_Activity, types.FailureInfo_ChildWorkflow))
    how = links[1].info if about and len(links) > 1 else what
    kind: type[Failure | CanceledError]
    match what:
        case _ if isinstance(how, types.FailureInfo_Canceled):
            kind = CanceledError
        case types.FailureInfo_Activity():
            kind = ActivityError
        case types.FailureInfo_ChildWorkflow():
            kind = ChildWorkflowError
        case types.FailureInfo_Timeout():
            kind = TimeoutFailure
        case types.FailureInfo_Terminated():
            kind = TerminatedError
        case types.FailureInfo_Server():
            kind = ServerError
        case _:
            kind = ApplicationError
    error = kind.__new__(kind)
    error.args = (links[0].message,)
    error._links = links
    if not isinstance(error, CanceledError):
        error.__cause__ = error.cause
    return error


def to_links(error: BaseException) -> list[types.FailureLink]:
    """A failure as the host takes it. What it was raised from are its causes."""
    if isinstance(error, (Failure, CanceledError)):
        own = list(error._links)
        cause = error.__cause__ if len(own) == 1 else None
    elif isinstance(error, asyncio.CancelledError):
        canceled = types.CanceledFailure([], "", True, None)
        message = str(error) or "canceled"
        own, cause = [_link(message, types.FailureInfo_Canceled(canceled))], None
    elif isinstance(error, TimeoutError):
        own, cause = timed_out(str(error) or "it took too long")._links, error.__cause__
    else:
        own = ApplicationError(str(error), type=type(error).__name__)._links
        cause = error.__cause__
        if isinstance(error, BaseExceptionGroup):
            cause = error.exceptions[0]
    if not own[0].stack_trace and error.__traceback__ is not None:
        lines = traceback.format_tb(error.__traceback__)
        first = own[0]
        own[0] = types.FailureLink(first.message, first.source, "".join(lines), None, first.info)
    return own if cause is None else own + to_links(cause)


def timed_out(message: str) -> TimeoutFailure:
    """The failure of a scope that took too long."""
    failure = types.TimeoutFailure(TimeoutKind.START_TO_CLOSE, [])
    error = from_links([_link(message, types.FailureInfo_Timeout(failure))])
    assert isinstance(error, TimeoutFailure)
    return error


def _link(message: str, info: types.FailureInfo) -> types.FailureLink:
    return types.FailureLink(message, _SOURCE, "", None, info)


def _text(link: types.FailureLink) -> str:
    match link.info:
        case types.FailureInfo_Application(value) if value.failure_type:
            return f"{value.failure_type}: {link.message}"
        case types.FailureInfo_Activity(value):
            return f"activity {value.activity_type}: {link.message}"
        case _:
            return link.message
