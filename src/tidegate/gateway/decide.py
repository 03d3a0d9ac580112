"""Answers typed questions: here where a head is sure enough, upstream for the rest.

Open questions go up in one call that holds only them. One that no tier can answer comes back as a
refusal; when that is true of all, the request fails.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from tidegate.domain.answer import Answer
from tidegate.domain.plan import Plan
from tidegate.domain.question import Decision, QuestionTrace, Refusal
from tidegate.domain.request import Decisions
from tidegate.errors import DeadlineExceeded, NoAnswer
from tidegate.gateway.execute import Executor
from tidegate.gateway.heads import CONFIDENT, Looked, look
from tidegate.gateway.record import Draft
from tidegate.gateway.settle import settled
from tidegate.ports.clock import Clock
from tidegate.tasks.classify import Split, merge, split
from tidegate.wire.decisions import narrow
from tidegate.wire.decisions_answer import encode_decisions, read_decisions_answer


class Decider:
    """The execute stage of the decisions surface."""

    def __init__(self, clock: Clock, executor: Executor) -> None:
        """`executor` takes the open questions up."""
        self._clock = clock
        self._executor = executor

    async def answer(self, draft: Draft, ask: Decisions, plan: Plan) -> Answer:
        """Answer all questions; raises NoAnswer when no tier answered a single one."""
        looked = await look(draft, ask, self._clock)
        parts = split(looked.outcomes)
        draft.questions = looked.traces
        if not parts.upward:
            _note_local(draft, looked, parts)
            draft.reason = _why_here(looked)
            draft.answers = merge(parts, ())
            answer = self._encoded(draft, ask, draft.answers)
            return replace(answer, lossy=_cut(looked), promised=looked.promised)
        if len(parts.upward) == len(ask.questions):
            return await self._all_upstream(draft, ask, plan)
        return await self._mixed(draft, ask, looked, parts, plan)

    async def _all_upstream(self, draft: Draft, ask: Decisions, plan: Plan) -> Answer:
        """Relay the whole request; the answer's bytes stay as the upstream wrote them."""
        won = await self._executor.whole(plan, draft)
        answer = won.result.answer
        draft.usage = draft.paid = settled(draft.request, answer.usage, len(answer.body))
        _, answers, _ = read_decisions_answer(answer.body, ask.questions)
        draft.answers = answers
        draft.answered_upstream(won.candidate, answer.model)
        draft.questions = _traced(draft.questions, range(len(answers)), answers)
        draft.reason = draft.questions[0].reason
        return answer

    async def _mixed(
        self, draft: Draft, ask: Decisions, looked: Looked, parts: Split, plan: Plan
    ) -> Answer:
        """Merge local answers with those from upstream, or with refusals where it failed."""
        _note_local(draft, looked, parts)
        questions = [ask.questions[index] for index in parts.upward]
        body = narrow(draft.request.body, parts.upward, draft.request.model)
        upstream: Sequence[Decision | Refusal]
        lossy = _cut(looked)
        # An outage is over sooner than a cached answer: its refusals are not repeated.
        may_store = False
        try:
            won = await self._executor.whole(plan, draft, body)
        except (NoAnswer, DeadlineExceeded) as error:
            upstream = [Refusal(str(error)) for _ in questions]
        else:
            answer = won.result.answer
            _, upstream, _ = read_decisions_answer(answer.body, questions)
            draft.answered_upstream(won.candidate, answer.model)
            draft.paid = settled(draft.request, answer.usage, len(answer.body))
            draft.usage = looked.usage + draft.paid
            lossy, may_store = (*lossy, *answer.lossy), answer.may_store
        draft.reason = "mixed"
        draft.questions = _traced(draft.questions, parts.upward, upstream)
        draft.answers = merge(parts, upstream)
        answered = self._encoded(draft, ask, draft.answers)
        return replace(answered, lossy=lossy, may_store=may_store, promised=looked.promised)

    def _encoded(
        self, draft: Draft, ask: Decisions, answers: Sequence[Decision | Refusal]
    ) -> Answer:
        started = self._clock.monotonic()
        model = draft.model or draft.request.model
        usage = draft.usage
        if usage is None:
            raise ValueError("a local part has counted its tokens")
        body = encode_decisions(ask.questions, answers, model=model, usage=usage)
        draft.encode_s = self._clock.monotonic() - started
        return Answer(body, model, usage)


def _note_local(draft: Draft, looked: Looked, parts: Split) -> None:
    """Note this node as the source; the farthest part may still overwrite it."""
    first = looked.traces[next(iter(parts.local))]
    draft.source = "local"
    draft.place = draft.generation.place
    draft.task = first.task
    draft.model = f"tidegate/{first.bundle}"
    draft.usage = looked.usage
    draft.confidence = min(decision.confidence for decision in parts.local.values())


def _why_here(looked: Looked) -> str:
    """Say why the whole request was answered here; static embeddings, where they gave it all."""
    reasons = {trace.reason for trace in looked.traces}
    return reasons.pop() if len(reasons) == 1 else CONFIDENT


def _cut(looked: Looked) -> tuple[str, ...]:
    """Say that the end of the text was not read."""
    return ("truncated",) if looked.is_cut else ()


def _traced(
    traces: Sequence[QuestionTrace],
    indexes: Sequence[int],
    answers: Sequence[Decision | Refusal],
) -> tuple[QuestionTrace, ...]:
    """Write what came back from upstream into the rows of the questions that went up."""
    rows = list(traces)
    for index, answer in zip(indexes, answers, strict=True):
        if isinstance(answer, Refusal):
            rows[index] = replace(rows[index], source="refused", reason=answer.reason)
        else:
            rows[index] = replace(rows[index], confidence=answer.confidence)
    return tuple(rows)
