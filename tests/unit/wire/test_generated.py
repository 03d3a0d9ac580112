import msgspec
import pytest

from tidegate.domain.event import Event
from tidegate.domain.reply import (
    ArgumentsGrown,
    ReplyEnded,
    ReplyStarted,
    TextGrown,
    ThinkingGrown,
    ToolCallStarted,
)
from tidegate.wire.anthropic_relay import MessageRelayReader
from tidegate.wire.chat_stream import ChatStreamReader
from tidegate.wire.crossing import crossing
from tidegate.wire.generated import growth_bytes, text_bytes
from tidegate.wire.responses_stream import ResponseStreamReader
from tidegate.wire.sse import event


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("Hello", 5),
        ("你好", 6),
        ("\ud800", 1),
        (None, 0),
        (7, 0),
        ({"role": "assistant", "content": "Hello"}, 5),
        ({"reasoning_content": "So", "content": None}, 2),
        (
            {
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"arguments": '{"a":1}'}}
                ]
            },
            7,
        ),
        ({"audio": {"id": "a", "data": "AAAA" * 99, "transcript": "Hi"}}, 2),
        ({"type": "text_delta", "text": "Hi"}, 2),
        ({"type": "signature_delta", "signature": "x" * 99}, 0),
    ],
)
def test_only_what_the_model_wrote_counts(value: object, size: int) -> None:
    assert text_bytes(value) == size


def test_a_reply_grows_by_its_words_its_reasoning_and_its_calls() -> None:
    growths = (
        ReplyStarted("id-that-is-long", "model-that-is-long"),
        ThinkingGrown("So"),
        TextGrown("Hi"),
        ToolCallStarted(0, "call-1", "find"),
        ArgumentsGrown(0, "{}"),
        ReplyEnded("end", None),
    )
    assert growth_bytes(growths) == 2 + 2 + 4 + 2


def of(**fields: object) -> Event:
    return event(msgspec.json.encode(fields))


def test_chunks_of_a_chat_tell_their_words() -> None:
    reader = ChatStreamReader(keep_usage=False)
    one = of(choices=[{"index": 0, "delta": {"role": "assistant", "content": "Hello"}}])
    other = of(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])

    assert reader.feed([one, one]).text_bytes == 10
    assert reader.feed([other]).text_bytes == 0


def test_pieces_of_an_older_completion_tell_their_words() -> None:
    reader = ChatStreamReader(keep_usage=False)

    assert reader.feed([of(choices=[{"index": 0, "text": "Hello"}])]).text_bytes == 5


def test_events_of_a_message_tell_their_words() -> None:
    reader = MessageRelayReader()
    words = of(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
    end = of(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})

    assert reader.feed([words, end]).text_bytes == 5


def test_events_of_a_response_tell_their_words_and_not_their_sounds() -> None:
    reader = ResponseStreamReader()
    words = of(type="response.output_text.delta", delta="Hello")
    sounds = of(type="response.audio.delta", delta="AAAA")
    done = of(type="response.output_text.done", text="Hello")

    assert reader.feed([words, sounds, done]).text_bytes == 5


def test_a_crossed_stream_tells_the_words_of_the_upstream() -> None:
    way = crossing("anthropic", "openai")
    assert way is not None
    stream = way.stream(model="m", created=0, wants_usage=False)
    words = of(id="c", choices=[{"index": 0, "delta": {"content": "Hello"}}])

    assert stream.feed([words]).text_bytes == 5
