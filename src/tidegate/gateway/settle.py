"""Usage that an answer did not state is estimated high and flagged, never zero."""

from typing import assert_never

from msgspec.structs import replace

from tidegate.domain.answer import Usage
from tidegate.domain.request import Chat, Decisions, Embeddings, Request
from tidegate.errors import UpstreamError, UpstreamStatus, UpstreamTimeout, UpstreamUnreachable
from tidegate.ledger.cost import estimate_usage

UNSEEN_TOKENS = 4_096
"""What an answer of which nothing arrived is taken for: longer than nearly all answers are."""

UNSEEN_TOKENS_PER_S = 300
"""And so many for each second of waiting where that is more: faster than most models are served."""

UNSEEN_TOKENS_PER_QUESTION = 64
"""A decision names one option and some probabilities."""


def settled(request: Request, stated: Usage | None, text_bytes: int) -> Usage:
    """Give the stated usage, or an estimate from the sizes of the request and what came of it."""
    if stated is not None:
        return stated
    ask = request.ask
    if isinstance(ask, Chat):
        limit = None if ask.max_tokens is None else ask.max_tokens * ask.choices
        return estimate_usage(ask.characters, text_bytes, limit)
    return estimate_usage(len(request.body), text_bytes)


def settled_so_far(request: Request, stated: Usage | None, text_bytes: int) -> Usage:
    """Give the usage of an answer that broke off.

    What was stated before the end is right about the input only: some upstreams open a stream
    with a usage that counts one token of output.
    """
    estimated = settled(request, None, text_bytes)
    if stated is None:
        return estimated
    output = max(stated.output_tokens, estimated.output_tokens)
    return replace(stated, output_tokens=output, is_estimated=True)


def lost(
    request: Request, error: UpstreamError, *, waited_s: float, text_bytes: int = 0
) -> Usage | None:
    """Give what a call that failed may have used; None when nothing can have been generated.

    That is so when the upstream was never asked, and when it answered with an error status.
    """
    if text_bytes > 0:
        return settled(request, None, text_bytes)
    match error:
        case UpstreamStatus() | UpstreamTimeout(phase="connect"):
            return None
        case UpstreamUnreachable() if not error.was_asked:
            return None
        case _:
            return unseen(request, waited_s)


def unseen(request: Request, waited_s: float) -> Usage:
    """Give what a call may have used of whose answer nothing was seen."""
    estimated = settled(request, None, 0)
    return replace(estimated, output_tokens=_most_tokens(request, waited_s))


def _most_tokens(request: Request, waited_s: float) -> int:
    ask = request.ask
    match ask:
        case Chat():
            most = max(UNSEEN_TOKENS, int(UNSEEN_TOKENS_PER_S * waited_s))
            return ask.choices * (most if ask.max_tokens is None else min(most, ask.max_tokens))
        case Decisions():
            return UNSEEN_TOKENS_PER_QUESTION * len(ask.questions)
        case Embeddings():
            return 0
        case _:
            assert_never(ask)
