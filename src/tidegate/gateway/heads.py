"""Asks this node's own heads: one pass of the encoder, then every head that covers a question.

Static embeddings look first, where they may settle a question by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.bundles.fingerprint import fingerprint
from tidegate.domain.answer import Usage
from tidegate.domain.encoding import Encoding
from tidegate.domain.guarantee import Grant
from tidegate.domain.question import Decision, Question, QuestionTrace
from tidegate.domain.request import Decisions
from tidegate.errors import DeadlineExceeded, EngineError
from tidegate.gateway.first_look import FirstLook, first_look
from tidegate.gateway.generation import Generation
from tidegate.gateway.record import Draft
from tidegate.ports.clock import Clock
from tidegate.statistics.language import language
from tidegate.tasks.accept import Asked
from tidegate.tasks.cascade import Settled
from tidegate.tasks.classify import LoadedTask, NotConfident, find, judge, read
from tidegate.tasks.together import hold_together

CONFIDENT = "confident"
BY_STATIC = "confident by static embeddings"
TOO_LONG = "the text is longer than the encoder reads"


@dataclass(frozen=True, slots=True)
class Looked:
    """What the heads said to each question, in the request's order.

    An outcome that is a string is the reason why no head looked.
    """

    outcomes: tuple[Decision | NotConfident | str, ...]
    traces: tuple[QuestionTrace, ...]
    usage: Usage
    is_cut: bool = False
    """The heads did not see the end of the text."""
    promised: tuple[Grant, ...] = ()
    """The guarantees under which it decided, one entry a decision."""


async def look(draft: Draft, ask: Decisions, clock: Clock) -> Looked:
    """Let every covering head score the text; an engine that cannot answer is only a reason."""
    generation = draft.generation
    tasks: list[LoadedTask] = []
    if draft.route is not None:
        tasks = generation.learned.serving(draft.route, draft.request.context.identity.tenant)
        tasks += [generation.tasks[one] for one in draft.route.tasks if one in generation.tasks]
        tasks = [generation.learned.watch.standing(one) for one in tasks]
    found = _coverage(ask, tasks)
    if ask.text is None or all(isinstance(one, str) for one in found):
        return _unseen(ask, found)
    encodings = draft.read_with(generation.encoder, clock)
    if encodings is None:
        return _unseen(ask, found)
    asked = _asked(draft, ask.text, found, clock)
    first = first_look(encodings.static_of, ask, found, asked)
    try:
        if first.settles(found):
            return _scored(generation, ask, found, None, (first, asked))
        encoding = await encodings.of(ask.text)
    except (EngineError, DeadlineExceeded) as error:
        left = [one if i in first.settled else str(error) for i, one in enumerate(found)]
        return _scored(generation, ask, left, None, (first, asked))
    finally:
        draft.note(encodings)
    draft.encoding = encoding
    if encoding.is_truncated:
        draft.truncated = 1
        found = [TOO_LONG if _minds_the_cut(one) else one for one in found]
        if all(isinstance(one, str) for one in found):
            return _unseen(ask, found)
    return _scored(generation, ask, found, encoding, (first, asked))


def _asked(draft: Draft, text: str, found: Sequence[LoadedTask | str], clock: Clock) -> Asked:
    """Gather what the accept rule looks at; strata only where a guarantee parts them."""
    guarantees = [one.guarantee for one in found if isinstance(one, LoadedTask)]
    strata: tuple[str, ...] = ()
    if any(one is not None and one.strata for one in guarantees):
        strata = (f"language={language(text)}", f"region={draft.region}")
    return Asked(clock.now(), draft.request.context.max_error, strata)


def _minds_the_cut(found: LoadedTask | str) -> bool:
    return isinstance(found, LoadedTask) and not found.task.allow_truncated


def _coverage(ask: Decisions, tasks: Sequence[LoadedTask]) -> list[LoadedTask | str]:
    """Give for each question the task that covers it, or why none does."""
    if ask.text is None:
        return [ask.obstacle or "the input holds more than text"] * len(ask.questions)
    return [find(question, fingerprint(question), tasks) for question in ask.questions]


def _scored(
    generation: Generation,
    ask: Decisions,
    found: Sequence[LoadedTask | str],
    encoding: Encoding | None,
    before: tuple[FirstLook, Asked],
) -> Looked:
    """Let the heads score what static embeddings did not settle; without an encoding, nothing."""
    first, asked_by = before
    open_ = {
        index: one
        for index, one in enumerate(found)
        if isinstance(one, LoadedTask) and index not in first.settled
    }
    asked = {one.bundle.content_hash: one.bundle.head for one in open_.values()}
    scored = {} if encoding is None else generation.heads.score(asked, ask.text or "", encoding)
    said_to: list[Decision | NotConfident | str] = []
    for index, (question, loaded) in enumerate(zip(ask.questions, found, strict=True)):
        if isinstance(loaded, str):
            said_to.append(loaded)
            continue
        settled = first.settled.get(index)
        if settled is None:
            vector = None if encoding is None else encoding.vector
            scores = scored[loaded.bundle.content_hash]
            decision, said = read(question, loaded, scores, vector, loaded.bundle.novelty)
            settled = Settled(judge(loaded, decision, said, asked_by), said.score)
        generation.learned.watch.shifts.observe(loaded.guarantee, settled.score)
        said_to.append(settled.outcome)
    outcomes = hold_together(found, said_to)
    traces = tuple(
        _trace(question, loaded, outcome, BY_STATIC if index in first.settled else CONFIDENT)
        for index, (question, loaded, outcome) in enumerate(
            zip(ask.questions, found, outcomes, strict=True)
        )
    )
    read_count = first.token_count if encoding is None else encoding.token_count
    is_cut = encoding is not None and encoding.is_truncated
    return Looked(outcomes, traces, Usage(read_count, 0), is_cut, _promised(found, outcomes))


def _promised(
    found: Sequence[LoadedTask | str], outcomes: Sequence[Decision | NotConfident | str]
) -> tuple[Grant, ...]:
    """Name the guarantee of each decision; what the operator vouches for himself has none."""
    return tuple(
        [
            loaded.guarantee.grant
            for loaded, outcome in zip(found, outcomes, strict=True)
            if isinstance(outcome, Decision)
            and isinstance(loaded, LoadedTask)
            and loaded.guarantee is not None
            and not loaded.task.may_serve
        ]
    )


def _trace(
    question: Question,
    loaded: LoadedTask | str,
    outcome: Decision | NotConfident | str,
    sure: str,
) -> QuestionTrace:
    if isinstance(outcome, str) or isinstance(loaded, str):
        return QuestionTrace(question.type, "upstream", str(outcome))
    is_sure = isinstance(outcome, Decision)
    return QuestionTrace(
        type=question.type,
        source="local" if is_sure else "upstream",
        reason=sure if isinstance(outcome, Decision) else outcome.reason,
        task=loaded.task.name,
        bundle=f"{loaded.bundle.name}@{loaded.bundle.version}",
        confidence=outcome.confidence,
    )


def _unseen(ask: Decisions, found: Sequence[LoadedTask | str]) -> Looked:
    """Send every question up, each with its reason."""
    reasons = [one if isinstance(one, str) else "this node has no encoder" for one in found]
    traces = [
        QuestionTrace(question.type, "upstream", reason)
        for question, reason in zip(ask.questions, reasons, strict=True)
    ]
    return Looked(tuple(reasons), tuple(traces), Usage(0, 0))
