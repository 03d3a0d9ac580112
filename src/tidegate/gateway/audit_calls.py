"""Has the upstream label what this node answered itself, off the client's path.

A call takes the way of any other: the plan of the request's own route, the same dispatch, a record
of its own kind with its cost. It never uses a client's own credential, is bounded in number a day
and at a time, and ends when the node does.
"""

from collections import Counter
from dataclasses import replace

from msgspec.structs import replace as replaced

from tidegate.bundles.fingerprint import fingerprint
from tidegate.domain.question import Decision, Question, Refusal
from tidegate.domain.request import Chat, Request
from tidegate.errors import MalformedAnswer, StateError, TidegateError
from tidegate.gateway.chat_heads import read_label
from tidegate.gateway.collect import Audited, Collector, Seen, same_labels
from tidegate.gateway.execute import Executor
from tidegate.gateway.generation import Generation, Generations
from tidegate.gateway.record import OK, Draft, Recorder
from tidegate.gateway.settle import settled
from tidegate.ports.clock import Clock, Ids
from tidegate.ports.learning import AuditBudget
from tidegate.resilience.deadline import request_deadline
from tidegate.routing.plan import plan
from tidegate.wire.chat_said import asked_again
from tidegate.wire.decisions import narrow
from tidegate.wire.decisions_answer import read_decisions_answer


class Auditor:
    """Makes the calls that the collector asks for; run `work` as often as may be at a time."""

    # One argument for each part of the node that a call passes through.
    def __init__(  # noqa: PLR0913
        self,
        clock: Clock,
        ids: Ids,
        generations: Generations,
        executor: Executor,
        recorder: Recorder,
        collector: Collector,
        *,
        budget: AuditBudget,
    ) -> None:
        """`recorder` writes the records of these calls and of no others."""
        self._clock = clock
        self._ids = ids
        self._generations = generations
        self._executor = executor
        self._recorder = recorder
        self._collector = collector
        self._budget = budget
        self.made: Counter[str] = Counter()
        """Calls by what came of them."""

    async def work(self) -> None:
        """Make calls, one after another, until cancelled."""
        while True:
            audited = await self._collector.audits.get()
            try:
                await self.audit(audited)
            finally:
                self._collector.audits.task_done()

    async def idle(self) -> None:
        """Return when no call waits or is under way."""
        await self._collector.audits.join()

    async def audit(self, audited: Audited) -> None:
        """Make one call and hand on what it says; failures are counted, not raised."""
        seen = audited.seen
        policy = seen.learned.policy
        first = fingerprint(seen.ask.questions[audited.indexes[0]])
        task = policy.task_of(first or "")
        try:
            if not await self._budget.may_audit(task, policy.audits_per_day, self._clock.now()):
                self.made["over budget"] += 1
                return
        except StateError:
            # What cannot be counted is not spent.
            self.made["failed"] += 1
            return
        # The request's generation may be closed by now; its route has to be there still.
        generation = self._generations.enter()
        try:
            await self._call(audited, generation, task)
        finally:
            self._generations.leave(generation)

    async def _call(self, audited: Audited, generation: Generation, task: str) -> None:
        seen = audited.seen
        questions = [seen.ask.questions[index] for index in audited.indexes]
        request = self._request(seen, audited.indexes)
        draft = Draft(request, generation, kind="repeat" if audited.is_repeat else "audit")
        draft.reason, draft.task = draft.kind, task
        try:
            route = draft.route = generation.routes.find(request.model)
            draft.deadline = request_deadline(request.context.started, route.deadline_s, None)
            chosen = plan(
                request,
                route,
                places=generation.places,
                speaks=generation.speaks,
                rules=generation.rules.get(route.name, ()),
            )
            won = await self._executor.whole(chosen, draft)
            answer = won.result.answer
            answers = _read(seen, answer.body, questions)
        except TidegateError as error:
            self.made["failed"] += 1
            self._recorder.write(draft, status=502, error=error)
            return
        draft.answered_upstream(won.candidate, answer.model)
        draft.usage = draft.paid = settled(request, answer.usage, len(answer.body))
        self._recorder.write(draft, status=OK)
        self.made[draft.kind] += 1
        labelled = replace(seen, upstream=won.candidate.upstream, model=answer.model)
        await self._hand_on(replace(audited, seen=labelled), answers)

    async def _hand_on(self, audited: Audited, answers: tuple[Decision | Refusal, ...]) -> None:
        seen = audited.seen
        questions = [seen.ask.questions[index] for index in audited.indexes]
        before = [seen.answers[index] for index in audited.indexes]
        alike = same_labels(questions, before, answers)
        for index, answer, is_same in zip(audited.indexes, answers, alike, strict=True):
            print_ = fingerprint(seen.ask.questions[index])
            if print_ is None or isinstance(answer, Refusal):
                continue
            owner = seen.learned.policy.owner_of(print_, seen.request.context.identity.tenant)
            if audited.is_repeat:
                self._collector.repeated(owner, seen.model, is_other=not is_same)
                continue
            row = await self._collector.row(seen, index, owner, print_, answer)
            if row is not None:
                self._collector.offer(row)

    def _request(self, seen: Seen, indexes: tuple[int, ...]) -> Request:
        """Make the same request, of the questions at `indexes`, without what was the client's."""
        request = seen.request
        context = replaced(
            request.context,
            request_id=self._ids.request_id(),
            received_at=self._clock.now(),
            started=self._clock.monotonic(),
            allowed_s=None,
            credential=None,
            client_address=None,
            traceparent=None,
            tracestate=None,
            client_request_id=None,
        )
        ask = request.ask
        if isinstance(ask, Chat):
            ask = replaced(ask, stream=False, wants_usage=False)
            return replaced(request, body=asked_again(request.body), ask=ask, context=context)
        body = narrow(request.body, indexes, request.model)
        return replaced(request, body=body, context=context)


def _read(seen: Seen, body: bytes, questions: list[Question]) -> tuple[Decision | Refusal, ...]:
    """Read what the upstream answered; raises MalformedAnswer."""
    if seen.chat is None:
        _, answers, _ = read_decisions_answer(body, questions)
        return answers
    said = read_label(body, seen.chat)
    if said is None:
        raise MalformedAnswer("the answer is no chat completion")
    return (said,)
