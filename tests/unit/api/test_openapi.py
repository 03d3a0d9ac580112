import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis

from tidegate.api.openapi import document

DOCUMENT: dict[str, Any] = json.loads(document("1.2.3"))

DATA_PATHS = {
    ("/v1/chat/completions", "post"),
    ("/v1/responses", "post"),
    ("/v1/messages", "post"),
    ("/v1/messages/count_tokens", "post"),
    ("/v1/completions", "post"),
    ("/v1/decisions", "post"),
    ("/v1/embeddings", "post"),
    ("/v1/feedback", "post"),
    ("/v1/learning/tasks", "get"),
    ("/v1/learning/bundles/{name}/{version}", "get"),
    ("/v1/learning/labels", "post"),
    ("/v1/learning/audits", "post"),
    ("/v1/learning/purge", "post"),
    ("/v1/audio/speech", "post"),
    ("/v1/audio/transcriptions", "post"),
    ("/v1/audio/translations", "post"),
    ("/v1/files", "get"),
    ("/v1/files", "post"),
    ("/v1/files/{id}", "get"),
    ("/v1/files/{id}", "delete"),
    ("/v1/files/{id}/content", "get"),
    ("/v1/batches", "get"),
    ("/v1/batches", "post"),
    ("/v1/batches/{id}", "get"),
    ("/v1/batches/{id}/cancel", "post"),
    ("/v1/models", "get"),
    ("/v1/models/{model}", "get"),
    ("/livez", "get"),
    ("/readyz", "get"),
}
ADMIN_PATHS = {
    ("/metrics", "get"),
    ("/openapi.json", "get"),
    ("/admin/status", "get"),
    ("/admin/reload", "post"),
    ("/admin/records/{id}", "get"),
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "servers":
                yield path, method, operation


def operation(path: str) -> dict[str, Any]:
    return next(found for name, _, found in operations() if name == path)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_it_is_a_valid_document_of_its_version() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["info"]["version"] == "1.2.3"


def test_it_is_complete() -> None:
    assert {(path, method) for path, method, _ in operations()} == DATA_PATHS | ADMIN_PATHS


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        assert resolve(reference)


def test_every_schema_is_used() -> None:
    used = {item.rsplit("/", 1)[1] for item in references(DOCUMENT) if "/schemas/" in item}
    assert used == set(DOCUMENT["components"]["schemas"])


def test_operation_ids_are_unique() -> None:
    names = [item["operationId"] for _, _, item in operations()]
    assert len(names) == len(set(names))


def test_keys_are_demanded_where_they_are() -> None:
    for path, _, item in operations():
        schemes = {name for need in item["security"] for name in need}
        if path in ("/livez", "/readyz"):
            assert schemes == set()
        elif item["tags"] == ["admin"]:
            assert schemes == {"adminToken"}
        else:
            assert schemes == {"key", "keyHeader", "gatewayKey"}
        assert schemes <= set(DOCUMENT["components"]["securitySchemes"])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/decisions", "/v1/embeddings"])
def test_surfaces_name_all_their_errors_and_headers(path: str) -> None:
    answers = operation(path)["responses"]
    statuses = {"400", "401", "403", "404", "408", "413", "429", "500", "502", "503", "504"}
    assert statuses | {"200", "4XX"} <= set(answers)
    assert {"x-request-id", "x-tidegate-source", "x-tidegate-tier", "x-tidegate-lossy"} <= set(
        answers["200"]["headers"]
    )
    for status in statuses:
        content = resolve(answers[status]["$ref"])["content"]
        assert content["application/json"]["schema"]["$ref"].endswith("/FailureBody")


def test_chat_is_described_as_a_stream_too() -> None:
    content = operation("/v1/chat/completions")["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}
    assert resolve(content["text/event-stream"]["x-event-schema"]["$ref"])["title"] == (
        "ChatCompletionChunk"
    )


@pytest.mark.parametrize("schema", ["ChoiceAnswer", "ScoreAnswer"])
def test_confidence_is_explained(schema: str) -> None:
    field = DOCUMENT["components"]["schemas"][schema]["properties"]["confidence"]
    assert "Calibrated probability" in field["description"]


def test_descriptions_are_for_readers() -> None:
    """The texts come from docstrings; a title without words would be useless."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert re.match(r"[A-Z].*[.?]", schema["description"]), name
