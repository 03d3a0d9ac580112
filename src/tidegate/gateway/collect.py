"""Turns forwarded decisions into label rows, off the client's path.

`draws` and `observe` are all that a request does: a keyed hash, and a place in a bounded queue. The
text waits there in memory, is encoded when its turn comes, and is gone; only its vector is stored.
What was answered here and belongs to the audit sample goes to `audit_calls.py`.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.bundles.fingerprint import fingerprint
from tidegate.domain.encoding import Encoding
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.learn_policy import LearnPolicy
from tidegate.domain.question import ChoiceValue, Decision, Question, Refusal
from tidegate.domain.request import Decisions, Request
from tidegate.errors import EngineError, InvalidRequest, MalformedAnswer
from tidegate.gateway.chat_heads import Shapes
from tidegate.gateway.learned import Learned, Sampling
from tidegate.gateway.record import Draft
from tidegate.learning import audit
from tidegate.ports.encoder import Encoder
from tidegate.ports.learning import LabelSink
from tidegate.statistics.language import language
from tidegate.statistics.ngrams import hashed
from tidegate.tasks.chat_question import ChatQuestion
from tidegate.wire.decisions_answer import read_decisions_answer
from tidegate.wire.end_user import end_user

WAITING = 2_048
"""Requests that may wait for their row; more are counted as lost. A few kB each."""

ROOM_FOR_LABELS = WAITING // 4
"""Requests waiting from which on local answers are not kept for feedback."""

NEVER_DRAWN = 1.0
"""Lot of a request that is in no sample."""

EVEN = 0.5
"""P(true) from here on counts as true."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is kept of an answered request until its rows are made."""

    request: Request
    ask: Decisions
    learned: Learned
    encoder: Encoder
    generation: int
    zone: str
    region: str
    lot: float
    """What was drawn before any head looked; see `learning/audit.py`."""
    is_cached: bool
    upstream: str
    model: str
    route: str
    answers: tuple[Decision | Refusal, ...]
    local: frozenset[int]
    """Questions that this node answered."""
    looked: frozenset[int]
    """Questions that a head of this node looked at, and so answered or sent up for a reason."""
    is_replayed_local: bool
    """The answer comes from the cache, and this node may have given it or a part of it."""
    encoding: Encoding | None
    chat: ChatQuestion | None = None
    """Set where the request was a chat request."""


@dataclass(frozen=True, slots=True, eq=False)
class Audited:
    """Questions of one request that the upstream is to label although they were answered here."""

    seen: Seen
    indexes: tuple[int, ...]
    is_repeat: bool = False
    """The upstream has answered; it is asked again to see whether it says the same."""


class Collector:
    """Makes label rows of what passes; one worker, so that requests come first."""

    def __init__(self, keys: audit.Keys, sink: LabelSink) -> None:
        """`sink` takes finished rows; audits wait in `audits` for whoever makes the calls."""
        self._keys = keys
        self._sink = sink
        self._waiting: asyncio.Queue[Seen] = asyncio.Queue(WAITING)
        self.audits: asyncio.Queue[Audited] = asyncio.Queue(WAITING)
        self.shapes = Shapes()
        """How upstreams answer chat requests."""
        self.lost: Counter[str] = Counter()
        """What did not become a row, by reason."""

    def draw(self, draft: Draft) -> float:
        """Draw, before any head looks, to which audit samples this request belongs."""
        route = draft.route
        if route is None or not route.learns:
            return NEVER_DRAWN
        return audit.lot(self._keys, draft.request.context.request_id)

    def observe(self, draft: Draft, body: bytes) -> None:
        """Take note of an answered request; never waits, never raises."""
        draft.generation.learned.watch.delivered(draft.promised)
        seen = _seen(draft, body, self.shapes)
        if seen is None:
            return
        try:
            self._waiting.put_nowait(seen)
        except asyncio.QueueFull:
            self.lost["queue"] += 1

    async def work(self) -> None:
        """Make rows of what waits, one request after another, until cancelled."""
        while True:
            seen = await self._waiting.get()
            try:
                await self.take(seen)
            finally:
                self._waiting.task_done()

    async def idle(self) -> None:
        """Return when nothing waits any more."""
        await self._waiting.join()

    async def drain(self) -> None:
        """Make rows of what waits now; for the end of the node, when nobody works any more."""
        while not self._waiting.empty():
            await self.take(self._waiting.get_nowait())

    async def take(self, seen: Seen) -> None:
        """Make the rows of one request, and note what is to be audited."""
        audited: list[int] = []
        labelled: list[LabelRow] = []
        for index, answer in enumerate(seen.answers):
            named = self._named(seen, index)
            if named is None:
                continue
            if index in seen.local or seen.is_replayed_local:
                if audit.is_drawn(seen.lot, _sampling(seen, index, named[0]).share):
                    audited.append(index)
                if isinstance(answer, Decision):
                    await self._keep(seen, index, *named, answer)
                continue
            row = await self._label(seen, index, *named, answer)
            if row is not None:
                self._sink.offer(row)
                labelled.append(row)
        if audited:
            self._send_up(Audited(seen, tuple(audited)))
        elif repeated := self._asked_twice(seen, labelled):
            self._send_up(Audited(seen, repeated, is_repeat=True))

    async def _label(
        self, seen: Seen, index: int, owner: Owner, print_: str, answer: Decision | Refusal
    ) -> LabelRow | None:
        """Make the row of an upstream's answer.

        A node that only serves sends nothing of it, and so keeps nothing of it.
        """
        is_kept = seen.learned.policy.role_of(owner.task) != "serve"
        if not isinstance(answer, Decision) or not is_kept:
            return None
        return await self.row(seen, index, owner, print_, answer)

    async def row(
        self, seen: Seen, index: int, owner: Owner, print_: str, answer: Decision
    ) -> LabelRow | None:
        """Make one row of an upstream's answer; None where the text cannot be read whole."""
        encoding = seen.encoding or await self._encoded(seen)
        if encoding is None or encoding.is_truncated:
            return None
        context = seen.request.context
        question = seen.ask.questions[index]
        text = seen.ask.text or ""
        name = end_user(seen.request.body)
        policy = seen.learned.policy
        keys, hashed_for = self._hashing(policy, owner)
        user = None if name is None else audit.end_user(keys, context.identity.tenant, name)
        cluster = audit.cluster(keys, text)
        group = user or cluster
        sampling = _sampling(seen, index, owner)
        is_audit = audit.is_drawn(seen.lot, sampling.share)
        return LabelRow(
            row_id=f"{context.request_id}/{index}",
            owner=owner,
            tenant=context.identity.tenant,
            question=print_,
            origin="audit" if is_audit else "escalated",
            role=audit.role(keys, group),
            group=group,
            cluster=cluster,
            user=user,
            label=label_of(question, answer),
            # The upstream of a chat request names the label and says no more.
            probabilities=() if seen.chat is not None else answer.probabilities,
            vector=encoding.vector,
            upstream=seen.upstream,
            model=seen.model,
            time=context.received_at,
            zone=seen.zone,
            region=seen.region,
            encoder=seen.encoder.fingerprint,
            generation=seen.generation,
            share=sampling.share if is_audit else 0.0,
            stratum=sampling.stratum,
            grams=tuple(hashed(text)),
            language=language(text),
            text=text if context.identity.tenant in policy.keep_text else None,
            hashed_for=hashed_for,
        )

    def offer(self, row: LabelRow) -> None:
        """Hand a finished row on."""
        self._sink.offer(row)

    def repeated(self, owner: Owner, model: str, *, is_other: bool) -> None:
        """Note what asking the upstream twice showed."""
        self._sink.repeated(owner, model, is_other=is_other)

    async def _keep(
        self, seen: Seen, index: int, owner: Owner, print_: str, answer: Decision
    ) -> None:
        """Keep a local answer for feedback, where that costs no label its place in the queue.

        A repeat from the cache was not encoded, and is not for this.
        """
        if seen.encoding is None or not seen.learned.policy.feedback_days:
            return
        if self._waiting.qsize() > ROOM_FOR_LABELS:
            self.lost["feedback"] += 1
            return
        row = await self.row(seen, index, owner, print_, answer)
        if row is not None:
            self._sink.answered(replace(row, origin="local", share=0.0))

    def _named(self, seen: Seen, index: int) -> tuple[Owner, str] | None:
        """Tell whose label this is, with the fingerprint; None where none is kept."""
        question = seen.ask.questions[index]
        print_ = fingerprint(question)
        if print_ is None:
            return None
        owner = seen.learned.policy.owner_of(print_, seen.request.context.identity.tenant)
        if not self._sink.takes(owner, question):
            self.lost["too many tasks"] += 1
            return None
        return owner, print_

    def _hashing(self, policy: LearnPolicy, owner: Owner) -> tuple[audit.Keys, str | None]:
        """Give the keys under which a row is hashed, and their id where another node learns.

        All nodes of a learner use its keys, so that a text has one role wherever it comes.
        """
        role = policy.role_of(owner.task)
        if role == "learn":
            return self._keys, None
        shared = policy.shared
        if role == "serve" or shared is None:
            return self._keys, ""
        keys = replace(self._keys, group=shared.group, role=shared.role, user=shared.user)
        return keys, shared.id

    def _asked_twice(self, seen: Seen, labelled: Sequence[LabelRow]) -> tuple[int, ...]:
        """Give the questions that the upstream is asked once more, where this node learns them."""
        share = seen.learned.policy.twice_share
        request_id = seen.request.context.request_id
        if seen.is_cached or not audit.is_asked_twice(self._keys, request_id, share):
            return ()
        return tuple(
            int(row.row_id.rpartition("/")[2]) for row in labelled if row.hashed_for is None
        )

    def _send_up(self, audited: Audited) -> None:
        try:
            self.audits.put_nowait(audited)
        except asyncio.QueueFull:
            self.lost["audit queue"] += 1

    async def _encoded(self, seen: Seen) -> Encoding | None:
        """Encode the text; one that is longer than the encoder reads is never answered here."""
        if seen.ask.text is None:
            return None
        try:
            encoding = await seen.encoder.encode(seen.ask.text)
        except (EngineError, InvalidRequest):
            self.lost["encoder"] += 1
            return None
        return encoding


def _sampling(seen: Seen, index: int, owner: Owner) -> Sampling:
    is_looked = index in seen.looked | seen.local or seen.is_replayed_local
    return seen.learned.sampling(owner, is_looked=is_looked)


def label_of(question: Question, answer: Decision) -> ChoiceValue:
    """Give what an answer says: the side, or the likeliest option, of equals the first."""
    weights = answer.probabilities
    if question.type == "predicate":
        return weights[0] >= EVEN
    return question.options[weights.index(max(weights))].value


def same_labels(
    questions: Sequence[Question],
    first: Sequence[Decision | Refusal],
    second: Sequence[Decision | Refusal],
) -> list[bool]:
    """Compare two answers to the same questions; refusals differ from every answer."""
    return [
        isinstance(one, Decision)
        and isinstance(two, Decision)
        and label_of(question, one) == label_of(question, two)
        for question, one, two in zip(questions, first, second, strict=True)
    ]


def _seen(draft: Draft, body: bytes, shapes: Shapes) -> Seen | None:
    """Keep what rows need; None for what nothing is learned from."""
    route, generation = draft.route, draft.generation
    ask = draft.request.ask if draft.chat is None else draft.chat.ask
    if route is None or not route.learns or not isinstance(ask, Decisions):
        return None
    if ask.text is None or generation.encoder is None:
        return None
    is_cached = draft.source == "cache"
    answers = draft.answers
    if draft.chat is not None and draft.source != "local":
        said = shapes.read(draft, draft.chat, draft.whole or body)
        if said is None:
            return None
        answers = (said,)
    elif is_cached:
        try:
            _, answers, _ = read_decisions_answer(body, ask.questions)
        except MalformedAnswer:
            return None
    local = [i for i, trace in enumerate(draft.questions) if trace.source == "local"]
    looked = [i for i, trace in enumerate(draft.questions) if trace.task is not None]
    tenant = draft.request.context.identity.tenant
    heads = generation.learned.serving(route, tenant) or any(
        name in generation.tasks for name in route.tasks
    )
    return Seen(
        request=draft.request,
        ask=ask,
        learned=generation.learned,
        encoder=generation.encoder,
        generation=generation.number,
        zone=generation.place.zone,
        region=draft.region,
        lot=draft.lot,
        is_cached=is_cached,
        upstream=draft.upstream or "",
        model=draft.model or "",
        route=route.name,
        answers=answers,
        local=frozenset(local),
        looked=frozenset(looked),
        is_replayed_local=is_cached and bool(heads),
        encoding=draft.encoding,
        chat=draft.chat,
    )
