"""One exchange with an upstream over `ports.Http`: body out, status checked, answer read.

What is sent and how an answer is understood is the business of whoever calls.
"""

import re
from collections.abc import Callable, Mapping

from tidegate.adapters.upstream_answers import ANSWER_LIMIT_BYTES, accept, forbids_storing
from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.domain.answer import Answer, Usage
from tidegate.errors import MalformedAnswer, UpstreamMalformed
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http, HttpAnswer
from tidegate.wire.crossed import Crossed

LOSSY_HEADER = "x-tidegate-lossy"
"""Set by a Tidegate only; what a tier further on lost is lost for the client as well."""

_LOSSY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LOSSY_LIMIT = 32


class Exchange:
    """Makes calls to one upstream."""

    def __init__(self, settings: UpstreamSettings, http: Http, clock: Clock) -> None:
        self.upstream = settings.name
        self._is_clients_credential = settings.credentials == "passthrough"
        self._http = http
        self._clock = clock

    def now(self) -> int:
        """Give whole seconds since the epoch, for answers that say when they were made."""
        return int(self._clock.now())

    async def opened(self, path: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Post `body`; gives the answer at its head, its status checked."""
        answer = await self._http.request("POST", path, headers=headers, body=body)
        await self.accept(answer)
        return answer

    async def whole(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        read: Callable[[bytes], Crossed],
        *,
        model: str,
    ) -> Answer:
        """Post `body` and give the answer as `read` has it; `model` where it names none."""
        started = self._clock.monotonic()
        answer = await self._http.request("POST", path, headers=headers, body=body)
        first_byte_s = self._clock.monotonic() - started
        await self.accept(answer)
        content = await answer.read(ANSWER_LIMIT_BYTES)
        try:
            found = read(content)
        except MalformedAnswer as error:
            raise UpstreamMalformed(self.upstream, str(error)) from error
        return Answer(
            body=found.body,
            model=found.model or model,
            usage=found.usage,
            lossy=lost_further_on(answer),
            first_byte_s=first_byte_s,
            connect_s=answer.connect_s,
            may_store=not forbids_storing(answer),
        )

    async def accept(self, answer: HttpAnswer) -> None:
        """Raise UpstreamStatus for anything but success."""
        await accept(
            answer,
            self.upstream,
            now=self._clock.now(),
            is_clients_credential=self._is_clients_credential,
        )


def relayed(
    read: Callable[[bytes], tuple[str, Usage | None]],
) -> Callable[[bytes], Crossed]:
    """Make a reader that gives the bytes as they came, with what `read` found in them."""

    def keep(content: bytes) -> Crossed:
        model, usage = read(content)
        return Crossed(content, model, usage)

    return keep


def lost_further_on(answer: HttpAnswer) -> tuple[str, ...]:
    """Give the names that a Tidegate further on says were lost."""
    said = answer.headers.get(LOSSY_HEADER)
    if said is None:
        return ()
    names = [name.strip() for name in said.split(",", _LOSSY_LIMIT)[:_LOSSY_LIMIT]]
    return tuple(name for name in names if _LOSSY_NAME.fullmatch(name))
