"""The node against its own description: schemathesis makes requests, good and bad, from it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.hardening.in_thread import gateway_in_thread
from tests.e2e.harness import Gateway
from tidegate.api.openapi import document

DOCUMENT: dict[str, Any] = json.loads(document("0"))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
EXAMPLES = 20
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
    negative_data_rejection,
]
CASES = [
    (path, method, mode)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    for mode in GenerationMode
    # What takes nothing cannot be given anything wrong.
    if method != "servers" and (mode.is_positive or operation.get("parameters"))
]
FORM = "multipart/form-data"
METHODS = ("get", "post", "put", "patch", "delete", "options", "head")


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with gateway_in_thread() as running:
        yield running


def reach(gateway: Gateway, path: str) -> tuple[str, Mapping[str, str]]:
    """Give the base URL and the credentials of the listener that serves a path."""
    is_admin = DOCUMENT["paths"].get(path, {}).get("servers") is not None
    url, key = (
        (gateway.admin_url, gateway.admin_token) if is_admin else (gateway.base_url, gateway.key)
    )
    return url, {"authorization": f"Bearer {key}"}


def checks_of(operation: Mapping[str, Any]) -> list[Any]:
    """Leave out what a form cannot do: its fields are text, whatever they were made of."""
    if FORM not in operation.get("requestBody", {}).get("content", {}):
        return CHECKS
    return [check for check in CHECKS if check is not negative_data_rejection]


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_every_answer_is_as_described(
    gateway: Gateway, path: str, method: str, mode: GenerationMode
) -> None:
    url, headers = reach(gateway, path)
    strategy = SCHEMA[path][method].as_strategy(generation_mode=mode)
    checks = checks_of(DOCUMENT["paths"][path][method])

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        # The same requests in every run: a draw that no run had before must not decide a landing.
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def each(case: "schemathesis.Case[Any]") -> None:
        case.call_and_validate(base_url=url, headers=dict(headers), checks=checks)

    each()


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_methods_that_are_not_described_are_405_and_name_those_that_are(
    gateway: Gateway, path: str
) -> None:
    url, headers = reach(gateway, path)
    described = {method.upper() for method in DOCUMENT["paths"][path] if method != "servers"}
    target = url + path.format(model="assistant", id="x", name="support", version="1-0a")
    for method in METHODS:
        if method.upper() in described:
            continue
        answer = requests.request(method, target, headers=headers, timeout=30)
        if method == "head" and answer.status_code == 200:
            continue
        assert answer.status_code == 405, method
        assert described <= set(answer.headers["allow"].split(", "))
