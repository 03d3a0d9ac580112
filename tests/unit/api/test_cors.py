"""What a browser may do from which page: the protocol of the Fetch standard, nothing unasked."""

import inspect
import re
from collections.abc import Mapping

import pytest

from tests.unit.api.asgi import Sent, ask, scope
from tidegate.api import failures, headers
from tidegate.api.arrival import Receive, Scope, Send
from tidegate.api.cors import ANY, EXPOSED, Cors
from tidegate.api.cors_app import CorsApp
from tidegate.api.respond import send_whole

PAGE = b"https://app.example"


def cors(*origins: str) -> Cors:
    return Cors(frozenset(origins or (PAGE.decode(),)), max_age_s=600)


def wanted(**changes: bytes | None) -> dict[bytes, bytes]:
    """Make the headers of a preflight."""
    asked: dict[str, bytes | None] = {
        "origin": PAGE,
        "access-control-request-method": b"POST",
        "access-control-request-headers": b"authorization,content-type,x-stainless-os",
    }
    asked |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name.encode(): value for name, value in asked.items() if value is not None}


async def answers(sent: Scope, receive: Receive, send: Send) -> None:
    del sent, receive
    await send_whole(send, 200, b"{}")


async def call(policy: Cors, method: str, asked: Mapping[bytes, bytes]) -> Sent:
    return await ask(CorsApp(answers, policy), scope(method=method, headers=asked))


async def test_a_preflight_of_an_allowed_page_is_answered_without_the_application() -> None:
    sent = await call(cors(), "OPTIONS", wanted())
    assert sent.status == 204
    assert sent.body == b""
    assert sent.headers == {
        b"vary": b"origin",
        b"access-control-allow-origin": PAGE,
        b"access-control-allow-methods": b"GET, HEAD, POST, DELETE",
        b"access-control-allow-headers": b"authorization,content-type,x-stainless-os",
        b"access-control-max-age": b"600",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": b"https://evil.example"},
        {"origin": b"https://app.example.evil.example"},
        {"origin": b"http://app.example"},
        {"origin": b"null"},
        {"origin": b"https://\xff"},
        {"origin": None},
        {"access_control_request_headers": b"a\r\nset-cookie: b"},
        {"access_control_request_headers": b"a" * 5_000},
    ],
)
async def test_any_other_preflight_gets_what_the_application_says_and_no_leave(
    changes: dict[str, bytes | None],
) -> None:
    sent = await call(cors(), "OPTIONS", wanted(**changes))
    assert sent.body == b"{}"
    assert b"access-control-allow-methods" not in sent.headers


async def test_an_allowed_page_may_read_the_answer_and_its_headers() -> None:
    sent = await call(cors(), "POST", {b"origin": PAGE})
    assert sent.headers[b"access-control-allow-origin"] == PAGE
    assert b"x-request-id" in sent.headers[b"access-control-expose-headers"]
    assert sent.headers[b"content-type"] == b"application/json"


async def test_no_other_page_may_read_it_and_caches_keep_them_apart() -> None:
    for asked in ({b"origin": b"https://evil.example"}, {}):
        sent = await call(cors(), "POST", asked)
        assert b"access-control-allow-origin" not in sent.headers
        assert sent.headers[b"vary"] == b"origin"


async def test_a_star_allows_every_page_and_makes_no_difference_between_them() -> None:
    sent = await call(cors(ANY), "POST", {b"origin": b"https://any.example"})
    assert sent.headers[b"access-control-allow-origin"] == b"*"
    assert b"vary" not in sent.headers


async def test_cookies_are_never_allowed() -> None:
    for method in ("OPTIONS", "POST"):
        for policy in (cors(), cors(ANY)):
            sent = await call(policy, method, wanted())
            assert b"access-control-allow-credentials" not in sent.headers


async def test_options_without_the_question_is_an_ordinary_request() -> None:
    sent = await call(cors(), "OPTIONS", {b"origin": PAGE})
    assert sent.body == b"{}"


def test_every_header_of_ours_may_be_read() -> None:
    source = inspect.getsource(headers) + inspect.getsource(failures)
    ours = set(re.findall(r'b"(x-[a-z-]+|server-timing|cache-status|retry-after)"', source))
    assert ours
    assert ours <= set(EXPOSED)
