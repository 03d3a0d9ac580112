"""The data listener: paths to handlers, and the edge at which every error becomes an answer."""

import asyncio
from dataclasses import dataclass

from tidegate.api.anthropic import Messages, message_failure
from tidegate.api.arrival import ClientLeft, Receive, Scope, Send
from tidegate.api.crash import where
from tidegate.api.exchange import ExchangePaths, methods_of
from tidegate.api.failures import failure
from tidegate.api.feedback import FeedbackIntake
from tidegate.api.health import Health
from tidegate.api.openai import Surfaces
from tidegate.api.passthrough import PassedPaths, place_of
from tidegate.api.respond import JSON, send_whole
from tidegate.domain.request import Dialect, Surface
from tidegate.errors import NoAnswer, TidegateError, UnknownPath
from tidegate.ports.clock import Ids
from tidegate.ports.log import Log
from tidegate.wire.failures import error_body

_SURFACES: dict[str, tuple[Surface, Dialect]] = {
    "/v1/chat/completions": ("chat", "openai"),
    "/v1/responses": ("chat", "responses"),
    "/v1/completions": ("chat", "completions"),
    "/v1/embeddings": ("embeddings", "openai"),
    "/v1/decisions": ("decisions", "openai"),
}
_MESSAGES = "/v1/messages"
_COUNT_TOKENS = "/v1/messages/count_tokens"
_FEEDBACK = "/v1/feedback"
_MODELS = "/v1/models"


@dataclass(slots=True)
class DataApp:
    """The ASGI application that clients reach."""

    surfaces: Surfaces
    messages: Messages
    passed: PassedPaths
    feedback: FeedbackIntake
    exchange: ExchangePaths
    health: Health
    ids: Ids
    log: Log
    in_flight: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises only when an answer has begun that cannot be ended."""
        request_id = self.ids.request_id()
        self.in_flight += 1
        try:
            await self._route(request_id, scope, receive, send)
        except TidegateError as error:
            await _fail(error, request_id, scope["path"], send)
        except (ClientLeft, asyncio.CancelledError):
            # The client has left; the stage that was at work has recorded it.
            return
        except Exception as error:  # noqa: BLE001
            # The outer edge: a fault of ours must not take other requests with it.
            self.log.event("request.crashed", request_id=request_id, error=where(error))
            body = error_body("Tidegate failed internally.", type="server_error", code="internal")
            await send_whole(send, 500, body, [JSON, _id_header(request_id)])
        finally:
            self.in_flight -= 1

    def _refuse_beyond_limit(self, request_id: str) -> None:
        limit = self.surfaces.intake.limits().in_flight
        if self.in_flight > limit:
            error = NoAnswer("overloaded", f"More than {limit} requests are in flight.")
            self.surfaces.intake.on_refusal(error, request_id)
            raise error

    async def _route(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        surface = _SURFACES.get(path)
        if method == "POST" and (surface is not None or path in (_MESSAGES, _FEEDBACK)):
            self._refuse_beyond_limit(request_id)
        if surface is not None and method == "POST":
            await self.surfaces.ask(*surface, request_id, scope, receive, send)
        elif path == _MESSAGES and method == "POST":
            await self.messages.ask(request_id, scope, receive, send)
        elif path == _COUNT_TOKENS and method == "POST":
            await self.messages.count(request_id, scope, receive, send)
        elif path == _FEEDBACK and method == "POST":
            await self.feedback.take(request_id, scope, receive, send)
        elif path == "/livez" and method in ("GET", "HEAD"):
            await self.health.live(send)
        elif path == "/readyz" and method in ("GET", "HEAD"):
            await self.health.ready(send)
        elif path == _MODELS and method == "GET":
            await self.surfaces.models(scope, send)
        elif path.startswith(f"{_MODELS}/") and method == "GET":
            await self.surfaces.models(scope, send, path[len(_MODELS) + 1 :])
        else:
            await self._pass_on(request_id, scope, receive, send)

    async def _pass_on(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method in methods_of(path):
            self._refuse_beyond_limit(request_id)
            await self.exchange.serve(request_id, scope, receive, send)
            return
        place = place_of(path)
        if place is None or method not in place.methods:
            raise UnknownPath(method, path, _allowed(path))
        self._refuse_beyond_limit(request_id)
        await self.passed.serve(request_id, place, scope, receive, send)


def _allowed(path: str) -> tuple[str, ...]:
    """Give the methods that a known path takes."""
    if path in _SURFACES or path in (_MESSAGES, _COUNT_TOKENS, _FEEDBACK):
        return ("POST",)
    if path in ("/livez", "/readyz"):
        return ("GET", "HEAD")
    if methods := methods_of(path):
        return methods
    if (place := place_of(path)) is not None:
        return place.methods
    return ("GET",) if path == _MODELS or path.startswith(f"{_MODELS}/") else ()


async def _fail(error: TidegateError, request_id: str, path: str, send: Send) -> None:
    is_message = path in (_MESSAGES, _COUNT_TOKENS)
    found = message_failure(error, request_id) if is_message else failure(error)
    headers = [JSON, _id_header(request_id), *found.headers]
    await send_whole(send, found.status, found.body, headers)


def _id_header(request_id: str) -> tuple[bytes, bytes]:
    return b"x-request-id", request_id.encode()
