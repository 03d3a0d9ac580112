"""How all workers take over something together: each prepares, then all swap, or none does."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tidegate.errors import ConfigError, WorkerFailed, WorkerLost
from tidegate.supervisor.member import Member, understood
from tidegate.supervisor.messages import (
    Adopt,
    Answer,
    Done,
    Order,
    Prepare,
    Ready,
    Refused,
    Report,
)

PREPARE_S = 30.0
"""A reload reads and checks all bundles again."""

PREPARE_AGAIN_S = 0.5
ADOPT_S = 0.4
"""Together below a second: so long may a suspended guarantee be served on at most."""

Answers = Mapping[Member, Answer | WorkerLost]


async def change_all(
    members: Sequence[Member], prepare: Prepare, on_lost: Callable[[Member, str], None]
) -> None:
    """Have workers prepare and swap together.

    A worker that does not follow is handed to `on_lost`, which must end it: it would serve on with
    what was before. When a text is to be read, one that refuses or does not answer is a refusal by
    all: that is raised, and the caller has what was prepared abandoned.
    """
    is_again = prepare.text is None
    answers = await _ask_all(members, prepare, PREPARE_AGAIN_S if is_again else PREPARE_S)
    if not is_again:
        try:
            _agree(answers)
        except (ConfigError, WorkerFailed):
            _lose({one: told for one, told in answers.items() if _is_lost(told)}, on_lost)
            raise
    prepared = {one: answer for one, answer in answers.items() if isinstance(answer, Ready)}
    adopted = await _ask_all(list(prepared), Adopt(prepare.generation), ADOPT_S)
    for member, ready in prepared.items():
        if isinstance(adopted[member], Done):
            member.ready = ready
    _lose(answers, on_lost)
    _lose(adopted, on_lost)


def _agree(answers: Answers) -> None:
    """Raise what one of them refused with, or that they built different things."""
    built: set[str] = set()
    for member, answer in answers.items():
        if isinstance(answer, WorkerLost):
            raise ConfigError(f"worker {member.number} could not take it over: {answer}")
        built.add(understood(answer).content)
    if len(built) > 1:
        raise ConfigError(
            "the workers have read different files: something changed them meanwhile; reload again"
        )


async def _ask_all(members: Sequence[Member], order: Order, timeout_s: float) -> Answers:
    async def one(member: Member) -> Answer | WorkerLost:
        try:
            return await member.ask(order, timeout_s)
        except WorkerLost as error:
            return error

    given = await asyncio.gather(*(one(member) for member in members))
    return dict(zip(members, given, strict=True))


def _is_lost(answer: Answer | WorkerLost) -> bool:
    return isinstance(answer, WorkerLost)


def _lose(answers: Answers, on_lost: Callable[[Member, str], None]) -> None:
    """Hand on who did not carry it out."""
    for member, answer in answers.items():
        match answer:
            case WorkerLost():
                on_lost(member, str(answer))
            case Refused(why):
                on_lost(member, why)
            case Done() | Ready() | Report():
                pass
