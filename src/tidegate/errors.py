"""Everything that Tidegate raises, in one tree. HTTP codes and dialects are `api/failures.py`'s.

TidegateError
├── ConfigError                configuration or command line is wrong; names file, line, remedy
├── StateError                 the state directory, a journal or a store cannot be used
├── MissingExtra               an optional package is not installed; names the extra
├── FitError                   a head cannot be fitted from these rows
├── BundleError                a bundle cannot be used
├── RequestError               the client's request cannot be taken as it is
│   ├── InvalidRequest         malformed or out of bounds; names the parameter
│   ├── BodyTooLarge
│   ├── RequestTooSlow         head or body did not arrive in time
│   ├── Unauthenticated
│   ├── Forbidden              the key may not do this
│   ├── FeedbackRefused        a label that cannot be taken for an earlier request
│   ├── ExchangeRefused        what another node sends or asks for in learning together
│   ├── UnknownModel           names the nearest known ones
│   ├── UnknownObject          a file or batch that is not there, or another tenant's
│   └── UnknownPath
├── WorkerLost                 a worker process is gone, silent, or not understood
├── WorkerFailed               a worker process ends again and again
├── EngineError                an engine of this process cannot answer
│   ├── EncoderUnusable        a folder or model that cannot be run as an encoder; names the part
│   ├── EncoderMismatch        files, precision or processor give other vectors than expected
│   └── EngineOverloaded       its queue is full
├── MalformedAnswer            bytes from elsewhere are not what their dialect says
├── UpstreamError              an upstream did not give a usable answer
│   ├── UpstreamUnreachable    refused, reset, no such host, TLS
│   ├── UpstreamTimeout        names the phase
│   ├── UpstreamStatus         answered with an error status
│   ├── UpstreamMalformed      answered with something that is not an answer
│   └── UpstreamCut            the answer broke off
├── DeadlineExceeded           the request's own deadline passed
└── NoAnswer                   every tier that was allowed has failed, or none was allowed
"""

from collections.abc import Sequence
from typing import Literal


class TidegateError(Exception):
    """Root of all errors that Tidegate raises itself."""


class ConfigError(TidegateError):
    """The configuration is wrong; the message names the place and the remedy."""

    def __init__(self, message: str, *, file: str | None = None, line: int | None = None) -> None:
        """Keep the place: `file` as given by the operator, `line` counted from 1."""
        self.message = message
        self.file = file
        self.line = line
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(f"{place}{message}")


class StateError(TidegateError):
    """A file or folder of the state directory cannot be used."""


class MissingExtra(TidegateError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        """Name the `package` and the `extra` of Tidegate that brings it."""
        self.package = package
        self.extra = extra
        super().__init__(f"`{package}` is not installed; run: pip install 'tidegate[{extra}]'")


class FitError(TidegateError):
    """A head cannot be fitted from these rows; the message says why and what to change."""


class BundleError(TidegateError):
    """A bundle cannot be used; the message names the bundle and the remedy."""


class RequestError(TidegateError):
    """The client's request cannot be taken as it is."""


class InvalidRequest(RequestError):
    """The request is malformed or out of bounds."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        """`param` is the path of the offending field, as in `questions[1].choices`."""
        self.param = param
        self.code = code
        super().__init__(message)


class BodyTooLarge(RequestError):
    """The body is larger than this listener takes."""

    def __init__(self, limit_bytes: int) -> None:
        """Keep the limit for the answer."""
        self.limit_bytes = limit_bytes
        super().__init__(f"The request body is larger than {limit_bytes} bytes.")


class RequestTooSlow(RequestError):
    """The head or the body of the request did not arrive in time."""

    def __init__(self, part: Literal["head", "body"], limit_s: float) -> None:
        """Keep which `part` was late."""
        self.part = part
        self.limit_s = limit_s
        super().__init__(f"The request {part} did not arrive within {limit_s:g} s.")


class Unauthenticated(RequestError):
    """No key, an unknown key, or one that has expired or was revoked."""

    def __init__(self) -> None:
        """Say the same for every cause, so that the answer tells an attacker nothing."""
        super().__init__(
            "Missing or invalid API key. Send `Authorization: Bearer KEY`;"
            " make one with `tidegate keys create`."
        )


class Forbidden(RequestError):
    """The key is known but may not do this."""


class FeedbackRefused(RequestError):
    """A label for an earlier request that cannot be taken."""

    def __init__(self, reason: Literal["unknown", "twice", "late"], message: str) -> None:
        """`unknown` stands for other tenants' requests too: the answer tells nobody of them."""
        self.reason = reason
        super().__init__(message)


class ExchangeRefused(RequestError):
    """What another node sends, or asks for, does not fit what this one learns."""

    def __init__(
        self, reason: Literal["unknown", "question", "encoder", "zone"], message: str
    ) -> None:
        """Keep what does not fit; the message names the setting that would mend it."""
        self.reason = reason
        super().__init__(message)


class UnknownModel(RequestError):
    """No route takes this model name."""

    def __init__(self, model: str, nearest: Sequence[str]) -> None:
        """Keep the `nearest` names that this node does know."""
        self.model = model
        self.nearest = tuple(nearest)
        hint = f" Nearest: {', '.join(f'`{name}`' for name in nearest)}." if nearest else ""
        super().__init__(f"The model {model!r} does not exist or this key may not use it.{hint}")


class UnknownPath(RequestError):
    """This node serves nothing at that path, or not with that method."""

    def __init__(self, method: str, path: str, allowed: Sequence[str] = ()) -> None:
        """`allowed` lists the methods that the path does take; empty when it is unknown."""
        self.method = method
        self.path = path
        self.allowed = tuple(allowed)
        hint = f"; it takes {', '.join(allowed)}" if allowed else ""
        super().__init__(f"Unknown request URL: {method} {path}{hint}.")


class WorkerLost(TidegateError):
    """A worker process is gone, does not answer in time, or is not understood."""


class WorkerFailed(TidegateError):
    """A worker process ends again and again, or cannot start; the message says how."""


class EngineError(TidegateError):
    """An engine of this process cannot answer."""


class EncoderUnusable(EngineError):
    """A folder or a model cannot be run, or built, as an encoder; names what it lacks."""


class EncoderMismatch(EngineError):
    """The encoder gives other vectors than those that its files promise."""


class UnknownObject(RequestError):
    """A file or batch is not there, or is another tenant's: nobody can tell which."""

    def __init__(self, object_id: str) -> None:
        """Keep the id."""
        self.object_id = object_id
        super().__init__(f"There is no file or batch {object_id!r}.")


class EngineOverloaded(EngineError):
    """The engine's queue is full."""

    def __init__(self, engine: str, queue_limit: int) -> None:
        """Keep which `engine` and how many may wait for it."""
        self.engine = engine
        self.queue_limit = queue_limit
        super().__init__(f"The queue of `{engine}` is full ({queue_limit} waiting); retry later.")


class MalformedAnswer(TidegateError):
    """Bytes from elsewhere are not what their dialect says; adapters add whose they were."""


class UpstreamError(TidegateError):
    """An upstream did not give a usable answer."""

    def __init__(self, upstream: str, message: str) -> None:
        """`upstream` is its configured name; `message` carries no request text."""
        self.upstream = upstream
        super().__init__(f"Upstream `{upstream}`: {message}")


class UpstreamUnreachable(UpstreamError):
    """No connection: refused, reset, unknown host, or TLS that does not verify."""

    def __init__(self, upstream: str, message: str, *, was_asked: bool = False) -> None:
        """`was_asked`: the request had been sent, so the upstream may have been at work."""
        self.was_asked = was_asked
        super().__init__(upstream, message)


class UpstreamTimeout(UpstreamError):
    """The upstream was too slow in one phase."""

    def __init__(self, upstream: str, phase: str, limit_s: float) -> None:
        """`phase` is one of connect, first_byte, gap, total."""
        self.phase = phase
        self.limit_s = limit_s
        super().__init__(upstream, f"no {phase.replace('_', ' ')} within {limit_s:g} s")


class UpstreamStatus(UpstreamError):
    """The upstream answered with an error status."""

    def __init__(
        self,
        upstream: str,
        status: int,
        *,
        body: bytes = b"",
        retry_after_s: float | None = None,
        is_clients_credential: bool = False,
    ) -> None:
        """Keep the `body` for relaying a client's mistake (4xx) in the upstream's own words.

        `is_clients_credential`: the call was made with the credential that the client sent, so a
        401 is the client's to mend and not the operator's.
        """
        self.status = status
        self.is_clients_credential = is_clients_credential
        self.body = body
        self.retry_after_s = retry_after_s
        super().__init__(upstream, f"answered {status}")


class UpstreamMalformed(UpstreamError):
    """The upstream answered 200 with something that is not an answer."""


class UpstreamCut(UpstreamError):
    """The upstream's answer broke off before its end."""


class DeadlineExceeded(TidegateError):
    """The request's own deadline passed before there was an answer."""

    def __init__(self, where: str, deadline_s: float | None = None) -> None:
        """`where` is the stage that was waiting; `deadline_s` the whole time allowed."""
        self.where = where
        self.deadline_s = deadline_s
        allowed = "" if deadline_s is None else f" of {deadline_s:g} s"
        super().__init__(f"The deadline{allowed} passed while waiting for {where}.")


class NoAnswer(TidegateError):
    """Every tier that was allowed has failed, or none was allowed."""

    def __init__(
        self,
        reason: Literal["failed", "policy", "overloaded"],
        message: str,
        *,
        last: UpstreamError | EngineError | DeadlineExceeded | None = None,
    ) -> None:
        """`last` is what the last tier said, for relaying a client's mistake."""
        self.reason = reason
        self.last = last
        super().__init__(message)
