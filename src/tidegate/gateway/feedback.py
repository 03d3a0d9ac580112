"""Takes labels that people give to earlier answers, of their own tenant and for a while."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from tidegate.domain.feedback import Feedback, KeptAnswer
from tidegate.domain.identity import Identity
from tidegate.domain.label import Owner
from tidegate.domain.question import ChoiceValue, Question
from tidegate.errors import FeedbackRefused, Forbidden, InvalidRequest
from tidegate.gateway.generation import Generations
from tidegate.learning.rows import options
from tidegate.ports.clock import Clock
from tidegate.wire.feedback import FeedbackAnswer, FeedbackRequest

DAY_S = 86_400.0
MOST_SHOWN = 50
"""Labels named to one who gave another."""


class FeedbackStore(Protocol):
    """What is kept of answers, for those who say later what would have been right."""

    async def find_answer(self, row_id: str) -> KeptAnswer | None:
        """Give the answer to one question of one request; raises StateError."""
        ...

    async def question_of(self, owner: Owner) -> Question | None:
        """Give the question that an owner's labels answer; raises StateError."""
        ...

    async def state(self, feedback: Feedback) -> bool:
        """Store it; False when there is one of that question already. Raises StateError."""
        ...


@dataclass(frozen=True, slots=True)
class FeedbackDesk:
    """Completes what is kept of an answer with the label that somebody gives."""

    clock: Clock
    generations: Generations
    store: FeedbackStore

    def admit(self, identity: Identity) -> None:
        """Raise Forbidden where the key may not give feedback."""
        if not identity.may("feedback"):
            raise Forbidden("This key has no scope `feedback`.")

    async def take(self, identity: Identity, asked: FeedbackRequest) -> FeedbackAnswer:
        """Store one label; raises FeedbackRefused, InvalidRequest, StateError."""
        days = self.generations.current.learned.policy.feedback_days
        kept = await self._kept(identity, asked, days)
        task = kept.row.owner.task
        if asked.task is not None and asked.task != task:
            raise InvalidRequest(
                f"Question {asked.question} of that request is of the task `{task}`.", param="task"
            )
        if kept.is_stated:
            raise _twice(asked)
        now = self.clock.now()
        if now - kept.row.time > days * DAY_S:
            raise FeedbackRefused(
                "late", f"That request is older than {days:g} days; feedback on it has ended."
            )
        await self._check_label(kept, asked.label)
        given = Feedback(
            row=replace(kept.row, origin="feedback", label=asked.label, probabilities=()),
            source=asked.source,
            time=now,
            is_local=kept.is_local,
            is_error=not _is_same(asked.label, kept.row.label),
        )
        if not await self.store.state(given):
            raise _twice(asked)
        return FeedbackAnswer(asked.request_id, asked.question, task, asked.label, asked.source)

    async def _kept(self, identity: Identity, asked: FeedbackRequest, days: float) -> KeptAnswer:
        """Find the answer; one of another tenant is as unknown as any."""
        if not days:
            message = "This node takes no feedback (`learning.feedback_days` is 0)."
            raise FeedbackRefused("unknown", message)
        kept = await self.store.find_answer(f"{asked.request_id}/{asked.question}")
        if kept is None or kept.row.tenant != identity.tenant:
            raise FeedbackRefused(
                "unknown",
                f"No answer to question {asked.question} of the request {asked.request_id!r} is"
                " kept. Kept are decisions on routes that learn, from about a second after the"
                f" answer, for {days:g} days.",
            )
        return kept

    async def _check_label(self, kept: KeptAnswer, label: ChoiceValue) -> None:
        question = await self.store.question_of(kept.row.owner)
        known = () if question is None else options(question)
        if not any(_is_same(label, one) for one in known):
            raise InvalidRequest(
                f"`label` is not one of the question's: {_listed(known)}.", param="label"
            )


def _is_same(one: ChoiceValue, two: ChoiceValue) -> bool:
    """Tell `true` from "true"."""
    return type(one) is type(two) and one == two


def _twice(asked: FeedbackRequest) -> FeedbackRefused:
    message = f"There is feedback on question {asked.question} of that request already."
    return FeedbackRefused("twice", message)


def _listed(labels: Sequence[ChoiceValue]) -> str:
    shown = ", ".join(msgspec.json.encode(label).decode() for label in labels[:MOST_SHOWN])
    return shown if len(labels) <= MOST_SHOWN else f"{shown} and {len(labels) - MOST_SHOWN} more"
