"""What static embeddings settle of a request before the encoder is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.domain.encoding import StaticEncoding
from tidegate.domain.request import Decisions
from tidegate.tasks.accept import Asked
from tidegate.tasks.cascade import Settled, first_answer, has_first_look
from tidegate.tasks.classify import LoadedTask


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What is settled by the question's index; the others are the encoder's."""

    settled: Mapping[int, Settled] = field(default_factory=dict)
    token_count: int = 0
    """Tokens that were read, as the encoder counts them."""

    def settles(self, found: Sequence[LoadedTask | str]) -> bool:
        """Tell whether nothing is left that a head could answer."""
        return all(isinstance(one, str) or index in self.settled for index, one in enumerate(found))


def first_look(
    embed: Callable[[str], StaticEncoding | None],
    ask: Decisions,
    found: Sequence[LoadedTask | str],
    asked: Asked,
) -> FirstLook:
    """Look once at the text for all questions whose task allows it; costs tens of microseconds."""
    if ask.text is None:
        return FirstLook()
    wanted = {
        index: one
        for index, one in enumerate(found)
        if isinstance(one, LoadedTask) and has_first_look(one)
    }
    embedded = embed(ask.text) if wanted else None
    if embedded is None:
        return FirstLook()
    answers = {
        index: first_answer(ask.questions[index], one, embedded.vector, asked)
        for index, one in wanted.items()
    }
    settled = {index: answer for index, answer in answers.items() if answer is not None}
    return FirstLook(settled, embedded.token_count)
