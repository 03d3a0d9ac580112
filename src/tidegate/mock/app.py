"""The mock upstream as an ASGI application: paths, faults, counters. `server.py` runs it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping

import msgspec
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from tidegate.errors import ConfigError
from tidegate.mock import anthropic, decisions, openai
from tidegate.mock.passed import Passed
from tidegate.mock.reply import reply
from tidegate.mock.rules import Rules
from tidegate.mock.settings import Settings, changed

MODELS = ["mock-large", "mock-small", "mock-decisions", "mock-embeddings"]
"""Listed on /v1/models; any other name is answered as well."""

_MARK = (b"x-tidegate-mock", b"true")
_JSON = (b"content-type", b"application/json")
_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_INVALID = 400
_NOT_FOUND = 404


class MockApp:
    """Answers calls by rule, with the faults that its settings ask for."""

    def __init__(self, settings: Settings, rules: Rules, seed: int) -> None:
        """`seed` fixes the draws of jitter and errors."""
        self.settings = settings
        self._rules = rules
        self._passed = Passed(rules)
        # Faults are repeatable by seed; nothing here is a secret.
        self._draws = random.Random(seed)  # noqa: S311
        self._calls: Counter[str] = Counter()
        self._left = 0

    def calls(self) -> dict[str, object]:
        """Tell how often each path was called, and how many clients left before the end."""
        return {"calls": dict(self._calls), "clients_left": self._left}

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one call."""
        assert scope["type"] == "http"
        call = _Call(scope, receive, send)
        body = await call.body()
        if call.path.startswith("/mock/"):
            await self._control(call, body)
            return
        self._calls[call.path] += 1
        try:
            await self._serve(call, body)
        except _ClientLeft:
            self._left += 1

    async def _control(self, call: "_Call", body: bytes) -> None:
        match call.method, call.path:
            case "GET", "/mock/calls":
                await call.answer(200, msgspec.json.encode(self.calls()))
            case "GET", "/mock/control":
                await call.answer(200, msgspec.json.encode(self.settings))
            case "POST", "/mock/control":
                try:
                    self.settings = changed(self.settings, body)
                except ConfigError as error:
                    await call.answer(_INVALID, openai.error(_INVALID, str(error)))
                else:
                    await call.answer(200, msgspec.json.encode(self.settings))
            case _:
                await call.answer(_NOT_FOUND, openai.error(_NOT_FOUND, "no such path"))

    async def _serve(self, call: "_Call", body: bytes) -> None:
        settings = self.settings
        if settings.down:
            await call.reset()
            return
        jitter = self._draws.random() * settings.jitter_ms
        fails = self._draws.random() < settings.error_rate
        await call.wait((settings.latency_ms + jitter) / 1000)
        dialect = anthropic if call.is_anthropic else openai
        if settings.status is not None or fails:
            status = settings.status or 500
            await call.answer(
                status, dialect.error(status, "asked to fail"), _retry(settings.retry_after_s)
            )
            return
        if settings.body != "normal":
            wrong = b'{"id":' if settings.body == "malformed" else dialect.error(500, "failed")
            await call.answer(200, wrong)
            return
        passed = self._passed.answer(call.method, call.path, call.query, call.kind, body)
        if passed is not None:
            await call.answer(passed.status, passed.body, kind=passed.kind)
            return
        try:
            made = self._make(call, body)
        except msgspec.DecodeError as error:
            await call.answer(_INVALID, dialect.error(_INVALID, str(error)))
            return
        if made is None:
            await call.answer(_NOT_FOUND, dialect.error(_NOT_FOUND, "no such path"))
        elif isinstance(made, list):
            await self._stream(call, made)
        elif settings.cut_after is not None:
            await call.cut(made)
        else:
            await call.answer(200, made)

    def _make(self, call: "_Call", body: bytes) -> bytes | list[bytes] | None:
        """Make a whole answer or the events of a stream; None for an unknown path."""
        match call.method, call.path:
            case "POST", "/v1/chat/completions":
                return self._chat(msgspec.json.decode(body, type=openai.Chat))
            case "POST", "/v1/messages":
                return self._messages(msgspec.json.decode(body, type=anthropic.Messages))
            case "POST", "/v1/embeddings":
                return openai.embeddings(msgspec.json.decode(body, type=openai.Embeddings))
            case "POST", "/v1/decisions":
                asked = msgspec.json.decode(body, type=decisions.Decisions)
                return decisions.answer(asked, self._rules)
            case "GET", "/v1/models":
                return anthropic.models(MODELS) if call.is_anthropic else openai.models(MODELS)
            case _:
                return None

    def _chat(self, request: openai.Chat) -> bytes | list[bytes]:
        said = reply(openai.ask(request), self._rules)
        render = openai.events if request.stream else openai.whole
        return render(request, said, int(time.time()))

    def _messages(self, request: anthropic.Messages) -> bytes | list[bytes]:
        said = reply(anthropic.ask(request), self._rules)
        return anthropic.events(request, said) if request.stream else anthropic.whole(request, said)

    async def _stream(self, call: "_Call", events: list[bytes]) -> None:
        await call.start(200, [_STREAM])
        for number, event in enumerate(events):
            if self.settings.down:
                await call.reset()
                return
            if number == self.settings.cut_after:
                await call.close()
                return
            if number and self.settings.gap_ms:
                await call.wait(self.settings.gap_ms / 1000)
            await call.send_piece(event, more=True)
        await call.send_piece(b"", more=False)


class _ClientLeft(Exception):
    """The client closed its connection before the answer was complete."""


class _Call:
    """One call on the wire."""

    def __init__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self.method = scope["method"]
        path = scope["path"]
        self.path = path if path.startswith(("/v1/", "/mock/")) else f"/v1{path}"
        headers = dict(scope["headers"])
        self.query = scope["query_string"].decode("latin-1")
        self.kind = headers.get(b"content-type", b"").decode("latin-1")
        self.is_anthropic = b"anthropic-version" in headers or self.path == "/v1/messages"
        self._connection: Mapping[object, object] = (scope.get("extensions") or {})["tidegate.mock"]
        self._receive = receive
        self._send = send

    async def body(self) -> bytes:
        pieces: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                return b""
            pieces.append(message["body"])
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def wait(self, seconds: float) -> None:
        """Wait, but not longer than the client does."""
        try:
            async with asyncio.timeout(seconds):
                await self._receive()
        except TimeoutError:
            return
        raise _ClientLeft

    async def answer(
        self,
        status: int,
        body: bytes,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        *,
        kind: str = "application/json",
    ) -> None:
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, [(b"content-type", kind.encode()), length, *headers])
        await self.send_piece(body, more=False)

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [_MARK, *headers],
                "trailers": False,
            }
        )

    async def send_piece(self, piece: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    async def cut(self, body: bytes) -> None:
        """Announce the whole body, send half of it and close."""
        await self.start(200, [_JSON, (b"content-length", str(len(body)).encode())])
        await self.send_piece(body[: len(body) // 2], more=True)
        await self.close()

    async def close(self) -> None:
        """Close the connection after what was sent, in the middle of the answer."""
        await self._end("close")

    async def reset(self) -> None:
        """Drop the connection at once, as a process that dies does."""
        await self._end("abort")

    async def _end(self, how: str) -> None:
        end = self._connection[how]
        assert callable(end)
        end()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _retry(seconds: int | None) -> tuple[tuple[bytes, bytes], ...]:
    return () if seconds is None else ((b"retry-after", str(seconds).encode()),)
