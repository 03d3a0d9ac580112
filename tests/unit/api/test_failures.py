import inspect
import json
from collections.abc import Iterator

import pytest

from tidegate import errors
from tidegate.api.failures import failure, status_of
from tidegate.errors import (
    BodyTooLarge,
    BundleError,
    ConfigError,
    DeadlineExceeded,
    EncoderMismatch,
    EncoderUnusable,
    EngineOverloaded,
    ExchangeRefused,
    FeedbackRefused,
    FitError,
    Forbidden,
    InvalidRequest,
    MalformedAnswer,
    MissingExtra,
    NoAnswer,
    RequestTooSlow,
    StateError,
    TidegateError,
    Unauthenticated,
    UnknownModel,
    UnknownObject,
    UnknownPath,
    UpstreamCut,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
    WorkerFailed,
    WorkerLost,
)

OWN_WORDS = b'{"error":{"message":"too long","type":"x","param":"messages","code":"y"}}'

TABLE: tuple[tuple[TidegateError, int, str | None], ...] = (
    (InvalidRequest("bad"), 400, None),
    (InvalidRequest("bad", code="unsupported_encoding"), 400, "unsupported_encoding"),
    (Unauthenticated(), 401, "invalid_api_key"),
    (Forbidden("no"), 403, "forbidden"),
    (UnknownModel("gpt", ["gpt-6"]), 404, "model_not_found"),
    (UnknownObject("file-1"), 404, "object_not_found"),
    (FeedbackRefused("unknown", "no"), 404, "request_not_found"),
    (FeedbackRefused("twice", "no"), 409, "feedback_exists"),
    (ExchangeRefused("unknown", "no"), 404, "not_learned"),
    (ExchangeRefused("encoder", "no"), 409, "other_encoder"),
    (ExchangeRefused("question", "no"), 409, "other_question"),
    (ExchangeRefused("zone", "no"), 403, "other_zone"),
    (FeedbackRefused("late", "no"), 410, "feedback_too_late"),
    (UnknownPath("GET", "/x"), 404, "unknown_url"),
    (UnknownPath("GET", "/v1/decisions", ["POST"]), 405, "unknown_url"),
    (RequestTooSlow("body", 10), 408, "request_timeout"),
    (BodyTooLarge(1024), 413, "request_too_large"),
    (EngineOverloaded("encoder", 256), 503, "overloaded"),
    (MalformedAnswer("not JSON"), 502, "upstream_failed"),
    (DeadlineExceeded("an upstream", 3), 504, "deadline_exceeded"),
    (NoAnswer("policy", "none"), 403, "no_tier_allowed"),
    (NoAnswer("overloaded", "full"), 503, "overloaded"),
    (NoAnswer("failed", "all failed"), 502, "no_tier_answered"),
    (NoAnswer("failed", "x", last=UpstreamTimeout("a", "connect", 1)), 504, "no_tier_answered"),
    (NoAnswer("failed", "x", last=DeadlineExceeded("a")), 504, "no_tier_answered"),
    (NoAnswer("failed", "x", last=UpstreamUnreachable("a", "refused")), 502, "no_tier_answered"),
    (NoAnswer("failed", "x", last=UpstreamStatus("a", 500)), 502, "no_tier_answered"),
    (NoAnswer("failed", "x", last=UpstreamStatus("a", 429)), 429, "no_tier_answered"),
    # The node's own credential is wrong there: nothing that the client could mend.
    (NoAnswer("failed", "x", last=UpstreamStatus("a", 401)), 502, "no_tier_answered"),
    (NoAnswer("failed", "x", last=UpstreamStatus("a", 403)), 502, "no_tier_answered"),
    # Without words in the dialect, ours are used under the upstream's status.
    (NoAnswer("failed", "x", last=UpstreamStatus("a", 422, body=b"<p>")), 422, "no_tier_answered"),
    (NoAnswer("failed", "x", last=UpstreamStatus("a", 404, body=OWN_WORDS)), 404, "y"),
)

FAULTS_OF_THE_NODE: tuple[TidegateError, ...] = (
    TidegateError("x"),
    ConfigError("x"),
    StateError("x"),
    MissingExtra("sklearn", "train"),
    FitError("x"),
    WorkerFailed("x"),
    WorkerLost("x"),
    BundleError("x"),
    EncoderUnusable("x"),
    EncoderMismatch("x"),
    EncoderUnusable("x"),
    UpstreamUnreachable("a", "x"),
    UpstreamTimeout("a", "gap", 1),
    UpstreamStatus("a", 418),
    UpstreamMalformed("a", "x"),
    UpstreamCut("a", "x"),
)
"""These never leave the gateway bare; should one, it is a 500 and not the client's mistake."""

BASES = {errors.RequestError, errors.EngineError, errors.UpstreamError}
"""Nobody raises these themselves."""


def error_of(error: TidegateError) -> dict[str, object]:
    body = json.loads(failure(error).body)
    assert set(body) == {"error"}
    inner: dict[str, object] = body["error"]
    return inner


def classes() -> Iterator[type[TidegateError]]:
    for _, one in inspect.getmembers(errors, inspect.isclass):
        if issubclass(one, TidegateError):
            yield one


@pytest.mark.parametrize(("error", "status", "code"), TABLE)
def test_each_error_has_its_status_and_code(
    error: TidegateError, status: int, code: str | None
) -> None:
    assert failure(error).status == status
    assert status_of(error) == status
    assert error_of(error)["code"] == code


def test_every_error_class_is_in_the_tables() -> None:
    listed = {type(error) for error, _, _ in TABLE} | {type(error) for error in FAULTS_OF_THE_NODE}
    assert listed | BASES == set(classes())


@pytest.mark.parametrize("error", FAULTS_OF_THE_NODE)
def test_a_fault_of_the_node_is_not_put_on_the_client(error: TidegateError) -> None:
    assert failure(error).status == 500
    assert error_of(error)["type"] == "server_error"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("x"), "invalid_request_error"),
        (NoAnswer("failed", "x", last=UpstreamStatus("a", 429)), "rate_limit_error"),
        (NoAnswer("failed", "x"), "server_error"),
    ],
)
def test_the_type_goes_with_the_status(error: TidegateError, kind: str) -> None:
    assert error_of(error)["type"] == kind


def test_the_offending_parameter_is_named() -> None:
    assert error_of(InvalidRequest("bad", param="messages[0].role"))["param"] == "messages[0].role"


def test_an_upstreams_own_words_are_relayed_byte_for_byte() -> None:
    error = NoAnswer("failed", "x", last=UpstreamStatus("a", 400, body=OWN_WORDS))
    assert failure(error).body == OWN_WORDS


@pytest.mark.parametrize("status", [401, 403])
def test_a_credential_that_the_client_brought_is_its_own_to_mend(status: int) -> None:
    last = UpstreamStatus("a", status, body=OWN_WORDS, is_clients_credential=True)
    found = failure(NoAnswer("failed", "x", last=last))
    assert (found.status, found.body) == (status, OWN_WORDS)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error":"x"}', b"[" * 100_000])
def test_words_in_no_dialect_are_not_relayed(body: bytes) -> None:
    error = NoAnswer("failed", "ours", last=UpstreamStatus("a", 400, body=body))
    assert error_of(error)["message"] == "ours"


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (2.0, b"2"), (2.1, b"3")]
)
def test_retry_after_is_rounded_up_to_whole_seconds(seconds: float, header: bytes) -> None:
    last = UpstreamStatus("a", 429, retry_after_s=seconds)
    assert failure(NoAnswer("failed", "x", last=last)).headers == ((b"retry-after", header),)


@pytest.mark.parametrize("error", [EngineOverloaded("encoder", 1), NoAnswer("overloaded", "full")])
def test_who_came_at_a_bad_moment_is_told_when_to_come_again(error: TidegateError) -> None:
    assert dict(failure(error).headers)[b"retry-after"] == b"1"


def test_a_wrong_method_is_told_the_right_ones() -> None:
    error = UnknownPath("PUT", "/livez", ("GET", "HEAD"))
    assert failure(error).headers == ((b"allow", b"GET, HEAD"),)


def test_who_has_no_key_is_told_how_to_show_one() -> None:
    assert failure(Unauthenticated()).headers == ((b"www-authenticate", b"Bearer"),)


def test_other_errors_have_no_headers() -> None:
    assert failure(InvalidRequest("x")).headers == ()
