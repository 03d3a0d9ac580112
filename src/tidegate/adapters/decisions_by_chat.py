"""Typed decisions from a model that only chats: its chat answer becomes a decisions answer."""

from tidegate.domain.answer import Answer, Usage
from tidegate.errors import MalformedAnswer, UpstreamMalformed
from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.decisions import decode_decisions
from tidegate.wire.decisions_answer import encode_decisions
from tidegate.wire.decisions_chat import read_chat_decisions

ANY_NUMBER = 1_000_000
"""How many questions a request may hold was checked where it came in."""

_BYTES_PER_TOKEN = 2
"""Fewer than any tokenizer needs on average, so that an estimate is a high one."""


def decided(call: UpstreamCall, chat: Answer, *, upstream: str, agreement: float) -> Answer:
    """Read the chat answer to the questions in `call`; raises UpstreamMalformed."""
    _, ask = decode_decisions(call.body, max_questions=ANY_NUMBER)
    try:
        answers, usage, lossy = read_chat_decisions(chat.body, ask.questions, agreement)
    except MalformedAnswer as error:
        raise UpstreamMalformed(upstream, str(error)) from error
    if usage is None:
        # The dialect demands a number where the server told none.
        usage = Usage(
            len(call.body) // _BYTES_PER_TOKEN,
            len(chat.body) // _BYTES_PER_TOKEN,
            is_estimated=True,
        )
    return Answer(
        body=encode_decisions(ask.questions, answers, model=chat.model, usage=usage),
        model=chat.model,
        usage=usage,
        lossy=(*chat.lossy, *lossy),
        first_byte_s=chat.first_byte_s,
        connect_s=chat.connect_s,
        may_store=chat.may_store,
    )
