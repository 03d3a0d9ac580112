"""Errors as HTTP: the only place that knows status codes and error bodies of the dialects."""

from dataclasses import dataclass
from math import ceil

import msgspec

from tidegate.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    EngineOverloaded,
    ExchangeRefused,
    FeedbackRefused,
    Forbidden,
    InvalidRequest,
    MalformedAnswer,
    NoAnswer,
    RequestTooSlow,
    TidegateError,
    Unauthenticated,
    UnknownModel,
    UnknownObject,
    UnknownPath,
    UpstreamError,
    UpstreamStatus,
    UpstreamTimeout,
)
from tidegate.wire.failures import FailureBody, error_body

RETRY_AFTER_OVERLOAD_S = 1
_RATE_LIMITED = 429


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it goes to the client."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def failure(error: TidegateError) -> Failure:
    """Put an error into the OpenAI dialect."""
    headers = _headers(error)
    relayed = _client_mistake(error)
    if relayed is not None and _is_in_dialect(relayed.body):
        return Failure(relayed.status, relayed.body, headers)
    param = error.param if isinstance(error, InvalidRequest) else None
    status = status_of(error)
    body = error_body(str(error), type=_type(status), param=param, code=_code(error))
    return Failure(status, body, headers)


def status_of(error: TidegateError) -> int:
    """Give the HTTP status of an error."""
    match error:
        case NoAnswer():
            return _status_of_no_answer(error)
        case FeedbackRefused():
            return _STATUS_OF_FEEDBACK[error.reason]
        case ExchangeRefused():
            return _STATUS_OF_EXCHANGE[error.reason]
        case UnknownPath():
            return 405 if error.allowed else 404
        case _:
            return _STATUS.get(type(error), 500)


_STATUS: dict[type[TidegateError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    UnknownModel: 404,
    UnknownObject: 404,
    RequestTooSlow: 408,
    BodyTooLarge: 413,
    MalformedAnswer: 502,
    EngineOverloaded: 503,
    DeadlineExceeded: 504,
}

_CODE: dict[type[TidegateError], str] = {
    Unauthenticated: "invalid_api_key",
    Forbidden: "forbidden",
    UnknownModel: "model_not_found",
    UnknownObject: "object_not_found",
    UnknownPath: "unknown_url",
    RequestTooSlow: "request_timeout",
    BodyTooLarge: "request_too_large",
    MalformedAnswer: "upstream_failed",
    EngineOverloaded: "overloaded",
    DeadlineExceeded: "deadline_exceeded",
}

_CODE_OF_NO_ANSWER = {
    "policy": "no_tier_allowed",
    "overloaded": "overloaded",
    "failed": "no_tier_answered",
}


_STATUS_OF_EXCHANGE = {"unknown": 404, "question": 409, "encoder": 409, "zone": 403}
_STATUS_OF_FEEDBACK = {"unknown": 404, "twice": 409, "late": 410}
_CODE_OF_FEEDBACK = {
    "unknown": "request_not_found",
    "twice": "feedback_exists",
    "late": "feedback_too_late",
}


def _status_of_no_answer(error: NoAnswer) -> int:
    match error.reason, error.last:
        case "policy", _:
            return 403
        case "overloaded", _:
            return 503
        case _, UpstreamStatus() as last if _is_clients(last) or last.status == _RATE_LIMITED:
            return last.status
        case _, UpstreamTimeout() | DeadlineExceeded():
            return 504
        case _:
            return 502


def _is_clients(error: UpstreamStatus) -> bool:
    """Tell whether the client can mend what the upstream complained about.

    An upstream's 401 is about the node's own credential unless the client brought it.
    """
    if error.status in (401, 403):
        return error.is_clients_credential
    return 400 <= error.status < 500 and error.status != _RATE_LIMITED  # noqa: PLR2004


def _client_mistake(error: TidegateError) -> UpstreamStatus | None:
    """Give the upstream's own words when they are for the client."""
    if isinstance(error, NoAnswer) and isinstance(error.last, UpstreamStatus):
        return error.last if _is_clients(error.last) else None
    return None


def _is_in_dialect(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=FailureBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _type(status: int) -> str:
    if status == _RATE_LIMITED:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004


def _code(error: TidegateError) -> str | None:
    if isinstance(error, InvalidRequest):
        return error.code
    if isinstance(error, FeedbackRefused):
        return _CODE_OF_FEEDBACK[error.reason]
    if isinstance(error, ExchangeRefused):
        return f"other_{error.reason}" if error.reason != "unknown" else "not_learned"
    if isinstance(error, NoAnswer):
        return _CODE_OF_NO_ANSWER[error.reason]
    return _CODE.get(type(error), "upstream_failed" if isinstance(error, UpstreamError) else None)


def _headers(error: TidegateError) -> tuple[tuple[bytes, bytes], ...]:
    """Give `allow`, `www-authenticate` and `retry-after` where they belong."""
    if isinstance(error, UnknownPath) and error.allowed:
        return ((b"allow", ", ".join(error.allowed).encode()),)
    if isinstance(error, Unauthenticated):
        return ((b"www-authenticate", b"Bearer"),)
    seconds = _retry_after_s(error)
    return () if seconds is None else ((b"retry-after", b"%d" % max(1, ceil(seconds))),)


def _retry_after_s(error: TidegateError) -> float | None:
    if isinstance(error, EngineOverloaded):
        return RETRY_AFTER_OVERLOAD_S
    if isinstance(error, NoAnswer) and error.reason == "overloaded":
        return RETRY_AFTER_OVERLOAD_S
    if isinstance(error, NoAnswer) and isinstance(error.last, UpstreamStatus):
        return error.last.retry_after_s
    return None
