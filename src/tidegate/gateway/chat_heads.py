"""Answers chat requests that are a question about a text, where a learned head may.

The answer is written in the frame of one that the upstream gave to the same question since this
process began; until there is one, everything goes up.
"""

from collections import OrderedDict
from dataclasses import dataclass

from msgspec.structs import replace

from tidegate.bundles.fingerprint import fingerprint
from tidegate.domain.answer import Answer
from tidegate.domain.question import Decision
from tidegate.domain.request import Chat
from tidegate.gateway.heads import look
from tidegate.gateway.record import Draft
from tidegate.ports.clock import Clock
from tidegate.tasks.chat_question import (
    OTHER,
    ChatQuestion,
    Writing,
    as_decision,
    label_in,
    recognise,
    writing_of,
    written,
)
from tidegate.wire.chat_said import Object, read_said, say

MOST_SHAPES = 2_048
"""Questions of which it is known how their answers look; the longest unused goes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How an upstream answers one question of one tenant."""

    frame: Object
    writing: Writing


Key = tuple[str, str | None, str, bool]


class Shapes:
    """Remembers shapes, the newest of each question; a streamed answer has one of its own."""

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        self._shapes: OrderedDict[Key, Shape] = OrderedDict()

    def of(self, draft: Draft, asked: ChatQuestion) -> Shape | None:
        """Give how the upstream answers; None when that has not been seen."""
        key = _key(draft, asked)
        shape = self._shapes.get(key)
        if shape is not None:
            self._shapes.move_to_end(key)
        return shape

    def read(self, draft: Draft, asked: ChatQuestion, body: bytes) -> Decision | None:
        """Give what an upstream's answer says, and remember its shape where it is a label."""
        said = read_said(body)
        if said is None:
            return None
        label = label_in(said.content, asked)
        if label != OTHER and said.content is not None:
            writing = writing_of(said.content, label, asked.slot)
            if writing is not None:
                self._put(_key(draft, asked), Shape(said.frame, writing))
        return as_decision(label, asked)

    def _put(self, key: Key, shape: Shape) -> None:
        self._shapes[key] = shape
        self._shapes.move_to_end(key)
        while len(self._shapes) > MOST_SHAPES:
            self._shapes.popitem(last=False)


def read_label(body: bytes, asked: ChatQuestion) -> Decision | None:
    """Give what an answer says; None where it is no chat completion."""
    said = read_said(body)
    return None if said is None else as_decision(label_in(said.content, asked), asked)


def chat_question(draft: Draft) -> ChatQuestion | None:
    """Tell which question a chat request asks, on a route that learns; None: none that is known."""
    route, request = draft.route, draft.request
    if route is None or not route.learns or not isinstance(request.ask, Chat):
        return None
    if request.dialect != "openai" or draft.generation.encoder is None:
        return None
    asked = recognise(request.body, route.template)
    return None if isinstance(asked, str) else asked


class ChatHeads:
    """Part of the execute stage of the chat surface."""

    def __init__(self, clock: Clock, shapes: Shapes) -> None:
        """`shapes` is told of upstreams' answers by whoever reads them."""
        self._clock = clock
        self._shapes = shapes

    async def answer(self, draft: Draft) -> Answer | None:
        """Give the whole answer; None where the request goes up."""
        asked = draft.chat
        if asked is None:
            return None
        looked = await look(draft, asked.ask, self._clock)
        (outcome,), (trace,) = looked.outcomes, looked.traces
        draft.questions = looked.traces
        if not isinstance(outcome, Decision):
            if trace.task is not None:
                draft.reason = trace.reason
            return None
        best = outcome.probabilities.index(max(outcome.probabilities))
        label = asked.question.options[best].value
        shape = self._shapes.of(draft, asked)
        if not isinstance(label, str) or label == OTHER or shape is None:
            why = "the head expects another answer" if shape else "no answer's form is known yet"
            draft.reason = why
            draft.questions = (replace(trace, source="upstream", reason=why),)
            return None
        draft.source = "local"
        draft.place = draft.generation.place
        draft.task, draft.model = trace.task, f"tidegate/{trace.bundle}"
        draft.reason, draft.confidence = trace.reason, outcome.confidence
        draft.usage, draft.answers = looked.usage, (outcome,)
        body = say(
            shape.frame,
            written(label, asked.slot, shape.writing),
            request_id=draft.request.context.request_id,
            created=int(self._clock.now()),
            usage=looked.usage,
        )
        return Answer(body, draft.model, looked.usage, promised=looked.promised)


def _key(draft: Draft, asked: ChatQuestion) -> Key:
    route = "" if draft.route is None else draft.route.name
    tenant = draft.request.context.identity.tenant
    return route, fingerprint(asked.question), tenant, draft.request.stream
