"""The paths in `openapi.json` by which nodes share a learner."""

from tidegate.api.openapi_parts import KEY, LISTING_ERRORS, Object, errors, json_content
from tidegate.api.openapi_schemas import ref
from tidegate.wire.exchange import (
    CountsBody,
    CountsTaken,
    LabelsBody,
    LabelsTaken,
    OffersBody,
    PurgeBody,
    PurgeDone,
)
from tidegate.wire.failures import FailureBody

_ZONE: Object = {
    "name": "zone",
    "in": "query",
    "required": True,
    "description": "Residency zone of the node that asks.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}
_TAG: Object = {
    "name": "if-none-match",
    "in": "header",
    "description": "The `etag` of what the node has.",
    "schema": {"type": "string"},
}
_TENANT: Object = {"$ref": "#/components/parameters/x-tidegate-tenant"}
_NAME: Object = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "Name of the bundle: the `task` of a guarantee.",
    "schema": {"type": "string", "pattern": "^[a-z0-9._-]{1,64}$"},
}
_VERSION: Object = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "The `bundle_version` of a guarantee.",
    "schema": {"type": "string", "pattern": "^[0-9a-f-]+$"},
}
_ARCHIVE: Object = {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}}
_FOR_NODES = "For keys of role `node` with the scope `learn`."


def exchange_paths() -> Object:
    """Describe what a learner offers to nodes that collect for it or pull from it."""
    offers = _operation("listLearned", "Give what was learned", json_content(ref(OffersBody)))
    offers["parameters"] = [_ZONE, _TAG]
    offers["responses"]["304"] = {"description": "Still what `if-none-match` names."}
    bundle = _operation("getLearnedBundle", "Give a bundle as an archive", _ARCHIVE)
    bundle["parameters"] = [_NAME, _VERSION, _ZONE]
    return {
        "/v1/learning/tasks": {"get": offers},
        "/v1/learning/bundles/{name}/{version}": {"get": bundle},
        "/v1/learning/labels": {
            "post": _post("takeLabels", "Store label rows of a tenant", LabelsBody, LabelsTaken)
        },
        "/v1/learning/audits": {
            "post": _post("takeAuditCounts", "Count audits", CountsBody, CountsTaken)
        },
        "/v1/learning/purge": {
            "post": _post("purgeLabels", "Delete a tenant's label rows", PurgeBody, PurgeDone)
        },
    }


def _post(operation: str, summary: str, body: type, answer: type) -> Object:
    described = _operation(operation, summary, json_content(ref(answer)))
    described["parameters"] = [_TENANT]
    described["requestBody"] = {"required": True, "content": json_content(ref(body))}
    described["responses"] |= errors(("413", "503"))
    described["responses"]["409"] = {
        "description": "It is of another encoder or another question than here.",
        "content": json_content(ref(FailureBody)),
    }
    return described


def _operation(operation: str, summary: str, content: Object) -> Object:
    return {
        "operationId": operation,
        "summary": summary,
        "description": _FOR_NODES,
        "tags": ["learning"],
        "security": list(KEY),
        "responses": {
            "200": {
                "description": f"{summary}.",
                "headers": {"x-request-id": {"$ref": "#/components/headers/x-request-id"}},
                "content": content,
            },
            **errors(LISTING_ERRORS),
        },
    }
