"""The settings of traces: values, and what is wrong with them."""

from pathlib import Path

import pytest

from tests.certificates import self_signed
from tidegate.config.load import Checked, check_text
from tidegate.config.telemetry import Tracing

HERE = "node: {tier: pop, region: eu-west, zone: eu}\n"


def checked(traces: str, folder: Path = Path("/nonexistent"), **environment: str) -> Checked:
    text = f"{HERE}telemetry: {{traces: {{{traces}}}}}"
    return check_text(text.encode(), "x.yaml", environment, folder=folder)


def tracing(traces: str, folder: Path = Path("/nonexistent"), **environment: str) -> Tracing:
    result = checked(traces, folder, **environment)
    assert result.configuration is not None, result.problems
    assert result.configuration.tracing is not None
    return result.configuration.tracing


def told(traces: str, folder: Path = Path("/nonexistent")) -> str:
    result = checked(traces, folder)
    assert result.configuration is None
    return "\n".join(problem.message for problem in result.problems)


def test_by_default_nothing_leaves_the_node() -> None:
    configuration = check_text(b"{}", None, {}, folder=Path()).configuration
    assert configuration is not None
    assert configuration.tracing is None


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://otel.example:4318", "https://otel.example:4318/v1/traces"),
        ("https://otel.example/", "https://otel.example/v1/traces"),
        ("https://otel.example/otlp/v1/traces", "https://otel.example/otlp/v1/traces"),
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("'http://[::1]:4318'", "http://[::1]:4318/v1/traces"),
    ],
)
def test_the_usual_path_is_added_where_none_is_given(endpoint: str, url: str) -> None:
    assert tracing(f"endpoint: {endpoint}, zone: eu").collector.server.base_url == url


def test_a_collector_in_another_zone_is_refused() -> None:
    message = told("endpoint: 'https://otel.example', zone: us")
    assert "`telemetry.traces.zone` is 'us' and the node's zone is 'eu'" in message


def test_plain_http_to_another_machine_needs_a_word() -> None:
    assert "use https, or say `insecure: true`" in told("endpoint: 'http://otel:4318', zone: eu")
    allowed = tracing("endpoint: 'http://otel:4318', zone: eu, insecure: true")
    assert allowed.collector.server.base_url == "http://otel:4318/v1/traces"


def test_headers_are_secrets_by_reference() -> None:
    found = tracing(
        "endpoint: 'https://otel.example', zone: eu, headers: {Authorization: 'env:TOKEN'}",
        TOKEN="Bearer abc",
    )
    [(name, secret)] = found.collector.headers
    assert (name, secret.reveal()) == ("authorization", "Bearer abc")
    assert "abc" not in repr(found)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ("{authorization: 'Bearer abc'}", "a secret must not stand in the file"),
        ("{authorization: 'env:NONE'}", "the environment variable `NONE` is not set"),
        ("{'a b': 'env:NONE'}", "'a b' is no header that may be set here"),
        ("{content-length: 'env:NONE'}", "'content-length' is no header that may be set here"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: str, message: str) -> None:
    found = told(f"endpoint: 'https://otel.example', zone: eu, headers: {headers}")
    assert message in found
    assert "abc" not in found


def test_authorities_are_read_when_the_configuration_is(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path, "otel.example")
    found = tracing(
        f"endpoint: 'https://otel.example', zone: eu, ca_file: {certificate.name}", tmp_path
    )
    assert found.collector.server.ca_file == str(certificate)
    (tmp_path / "bad.pem").write_text("no certificate")
    for name in ("bad.pem", "missing.pem"):
        message = told(f"endpoint: 'https://otel.example', zone: eu, ca_file: {name}", tmp_path)
        assert f"{name}' cannot be used" in message


@pytest.mark.parametrize(
    "wrong", ["share: 1.5", "slow_s: 0", "caller_per_s: -1", "zone: ''", "endpoints: x"]
)
def test_values_have_bounds(wrong: str) -> None:
    assert checked(f"endpoint: 'https://otel.example', zone: eu, {wrong}").configuration is None


def test_the_policy_is_what_the_file_says() -> None:
    found = tracing(
        "endpoint: 'https://otel.example', zone: eu, share: 0.5, slow_s: 2, errors: false,"
        " caller_per_s: 0, kept_per_s: 7, flush_s: 1"
    )
    policy = found.policy
    assert (policy.share, policy.slow_s, policy.keeps_errors) == (0.5, 2.0, False)
    assert (policy.caller_per_s, policy.kept_per_s) == (0.0, 7.0)
    assert found.collector.flush_s == 1.0
