import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import InvalidRequest
from tidegate.wire.strict import DEPTH_LIMIT, DUPLICATE_CHECK_BYTES, check


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return b'{"a":' + opening * (depth - 1) + closing * (depth - 1) + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b' {"a" : 1 , "b":[ 1.50, -0, 1e5 ] }\n',
        b'{"a":"\\u0000"}',
        b'{"a":"\\ud83d\\ude00 \xf0\x9f\x98\x80"}',
        b'{"a":{"a":1},"b":{"a":1}}',
        b'{"a":[{"k":1},{"k":2}]}',
        b'{"a":1e-400}',
        b'{"a":123456789012345678901234567890}',
        b'{"":""}',
        nested(DEPTH_LIMIT),
        b'{"a":"' + b"[" * 500 + b'"}',
        b'{"a":[' + b",".join([b"[]"] * 500) + b"]}",
    ],
)
def test_a_sound_body_comes_back_as_the_same_object(body: bytes) -> None:
    assert check(body) is body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  ", "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b'"a"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"{", "not valid JSON"),
        (b'{"a":1,}', "byte 7"),
        (b"{} {}", "trailing"),
        (b'{"a":01}', "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ('{"a":1}'.encode("utf-16"), "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":Infinity}', "not valid JSON"),
        (b'{"a":-Infinity}', "not valid JSON"),
        (b'{"a":1e400}', "number out of range"),
        (b'{"a":-1e400}', "number out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a":"\\ud800"}', "lone surrogate"),
        (b'{"a":"\\ud800 "}', "lone surrogate"),
        (b'{"a":"\\uD800", "b":1}', "lone surrogate"),
        (b'{"a":"\\ud83d\\ude00 \\ud83d"}', "lone surrogate"),
        (b'{"a":"\\udc00\\ud800"}', "lone surrogate"),
        (b'{"\\udc00":1}', "lone surrogate"),
        (b'{"a":"\\\\ud800', "not valid JSON"),
        (b'{"a":"\\ud83d\\ude00', "not valid JSON"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"\xff":"a"}', "not UTF-8"),
        (b'{"a":"\x00"}', "not valid JSON"),
        (b'{"a":"\n"}', "not valid JSON"),
        (b'{"a":1,"a":2}', "'a' twice"),
        (b'{"a":1,"a":1}', "'a' twice"),
        (b'{"a":1,"\\u0061":2}', "'a' twice"),
        (b'{"x":[{"y":{"k":1,"b":2,"k":3}}]}', "'k' twice"),
        (nested(DEPTH_LIMIT + 1), "deeper than 64"),
        (nested(DEPTH_LIMIT + 1, b'{"a":', b"}").replace(b":}", b":1}"), "deeper than 64"),
        (nested(200_000), "deeper than 64"),
        (b'{"a":' + b"[" * 200_000, "deeper than 64"),
    ],
)
def test_an_unsound_body_is_refused_and_the_reason_said(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        check(body)


def test_the_message_never_holds_the_text_of_the_body() -> None:
    for body in (b'{"a":"SECRET\xff"}', b'{"a":"SECRET', b'{"a":SECRET}', b'{"a":"SECRET\\ud800"}'):
        with pytest.raises(InvalidRequest) as caught:
            check(body)
        assert "SECRET" not in str(caught.value)


def test_a_long_duplicate_key_is_shown_shortened() -> None:
    key = b"k" * 1000
    with pytest.raises(InvalidRequest) as caught:
        check(b'{"%b":1,"%b":2}' % (key, key))
    assert len(str(caught.value)) < 200


def test_a_large_body_is_encoded_anew_and_keeps_the_last_duplicate() -> None:
    body = b'{"a":1, "pad":"' + b"x" * DUPLICATE_CHECK_BYTES + b'", "a":2}'
    safe = check(body)
    assert safe.count(b'"a"') == 1
    assert json.loads(safe)["a"] == 2


def test_a_large_body_is_held_to_the_depth_limit() -> None:
    body = b'{"pad":"' + b"x" * DUPLICATE_CHECK_BYTES + b'","a":' + b"[" * 64 + b"]" * 64 + b"}"
    with pytest.raises(InvalidRequest, match="deeper than 64"):
        check(body)


TEXT = st.text(alphabet='aé€😀"\\/\n\x00\u2028', max_size=5)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("ensure_ascii", [True, False])
@given(value=st.dictionaries(TEXT, JSON, max_size=4))
def test_whatever_json_writes_is_taken(value: dict[str, object], *, ensure_ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=ensure_ascii).encode()
    assert check(body) is body


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0d8a1e+-. ntf', max_size=60))
def test_any_bytes_are_either_taken_or_refused_with_the_one_error(body: bytes | str) -> None:
    raw = body.encode() if isinstance(body, str) else body
    with contextlib.suppress(InvalidRequest):
        assert isinstance(json.loads(check(raw)), dict)
