"""What many operations of `openapi.json` share: headers, error answers, keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.api.openapi_schemas import ref
from tidegate.wire.failures import FailureBody

Object = dict[str, Any]

SECURITY_SCHEMES: Mapping[str, Object] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key made by `tidegate keys create`.",
    },
    "keyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "The same key in the header of other dialects.",
    },
    "gatewayKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-tidegate-key",
        "description": "The same key, for clients whose `Authorization` holds a credential of their"
        " own for an upstream that is set to `passthrough`.",
    },
    "adminToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token in the file `admin.token` of the state directory.",
    },
}

KEY: Sequence[Object] = ({"key": []}, {"keyHeader": []}, {"gatewayKey": []})
ADMIN: Sequence[Object] = ({"adminToken": []},)


def _header(description: str, schema: Object | None = None, *, required: bool = False) -> Object:
    return {
        "description": description,
        "required": required,
        "schema": schema or {"type": "string"},
    }


HEADERS: Mapping[str, Object] = {
    "x-request-id": _header("Made by the node; names the record of the request.", required=True),
    "x-tidegate-source": _header(
        "What gave the answer.", {"type": "string", "enum": ["cache", "local", "upstream"]}
    ),
    "x-tidegate-tier": _header(
        "How far the request went; for mixed decisions the farthest part.",
        {"type": "string", "enum": ["device", "pop", "region", "central"]},
    ),
    "x-tidegate-lossy": _header("What a translation between dialects could not carry."),
    "age": _header("Seconds since the cached answer was made."),
    "cache-control": _header("How long the answer may be kept, or that it may not."),
    "cache-status": _header("What the node's cache did (RFC 9211)."),
    "x-tidegate-upstream": _header("Who answered. Only for keys with scope `debug`."),
    "x-tidegate-model": _header("Its name for the model. Only for keys with scope `debug`."),
    "x-tidegate-confidence": _header(
        "The lowest confidence of the local answers. Only for keys with scope `debug`."
    ),
    "x-tidegate-reason": _header("Why this way was taken. Only for keys with scope `debug`."),
    "x-tidegate-cache": _header("State of the cache. Only for keys with scope `debug`."),
    "x-tidegate-region": _header("Where it was answered. Only for keys with scope `debug`."),
    "x-tidegate-config": _header(
        "Number of the configuration in force. Only for keys with scope `debug`."
    ),
    "x-tidegate-cost-usd": _header("What the answer cost. Only for keys with scope `debug`."),
    "x-tidegate-overhead-ms": _header(
        "Time that was not spent waiting for an engine or upstream. Only for keys with scope"
        " `debug`."
    ),
    "server-timing": _header("Where the time went. Only for keys with scope `debug`."),
    "retry-after": _header("Seconds after which to try again."),
    "allow": _header("The methods that the path takes."),
    "www-authenticate": _header("How to show a key."),
}

PARAMETERS: Mapping[str, Object] = {
    "x-request-id": _header("An id of the client's own; kept in the record beside the node's."),
    "traceparent": _header("W3C trace context; the upstream call is a child of it."),
    "tracestate": _header("Goes upstream with `traceparent`; ignored beyond 2,048 characters."),
    "cache-control": _header(
        "`no-cache` reads nothing from the cache, `no-store` also stores nothing; `max-age` bounds"
        " the age of what is read."
    ),
    "x-request-timeout-ms": _header(
        "Time that is left, in milliseconds. From keys with role `node` only, else ignored."
    ),
    "x-tidegate-tenant": _header("The tenant to act for. From keys with role `node` only."),
}

_ERROR_HEADERS = ("retry-after", "allow", "www-authenticate")
_ANSWER_HEADERS = tuple(name for name in HEADERS if name not in _ERROR_HEADERS)

_ERRORS: Mapping[str, str] = {
    "400": "The request is malformed or out of bounds; `param` names the field.",
    "401": "No key, or one that is unknown, expired or revoked.",
    "403": "The key may not do this, or no tier that could answer is allowed.",
    "404": "The model, or the request that feedback is about, is not known.",
    "405": "The path does not take this method.",
    "408": "The head or the body did not arrive in time.",
    "409": "There is feedback on that question of that request already.",
    "410": "The request is too old for feedback.",
    "413": "The body is larger than this listener takes.",
    "429": "The upstream limits the rate.",
    "431": "The head of the request is larger than this listener takes.",
    "4XX": "The upstream refuses the request; the body holds its own words.",
    "500": "A fault of the node.",
    "502": "Every tier that was allowed has failed.",
    "503": "The node or its engine has too much to do.",
    "504": "The deadline passed, or the upstream was too slow.",
}

_WITH_RETRY = frozenset({"429", "503", "4XX", "502"})

_OF_FEEDBACK = ("409", "410")
SURFACE_ERRORS = tuple(status for status in _ERRORS if status not in _OF_FEEDBACK)
LISTING_ERRORS = ("400", "401", "403", "404", "405", "408", "431", "500")
FEEDBACK_ERRORS = (*LISTING_ERRORS, *_OF_FEEDBACK, "413", "503")
ADMIN_ERRORS = ("400", "401", "403", "404", "405", "408", "431", "500")


def answer_headers() -> Object:
    """Give the headers that every successful answer of a surface may have."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _ANSWER_HEADERS}


def parameters() -> list[Object]:
    """Give the request headers that every surface reads."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS]


def errors(statuses: Sequence[str]) -> Object:
    """Give the error answers of an operation."""
    return {status: {"$ref": f"#/components/responses/{_name(status)}"} for status in statuses}


def errors_in(kind: type, statuses: Sequence[str]) -> Object:
    """Give the error answers of an operation of another dialect, in its form where we can.

    What is refused before its path is known is told in the form that all others share.
    """
    content = json_content({"anyOf": [ref(kind), ref(FailureBody)]})
    return {status: _error(status) | {"content": content} for status in statuses}


def json_content(schema: Object) -> Object:
    """Describe a body of JSON."""
    return {"application/json": {"schema": schema}}


def components() -> Object:
    """Give the components other than schemas."""
    return {
        "securitySchemes": dict(SECURITY_SCHEMES),
        "headers": dict(HEADERS),
        "parameters": {
            name: {"name": name, "in": "header", **header} for name, header in PARAMETERS.items()
        },
        "responses": {_name(status): _error(status) for status in _ERRORS},
    }


def _error(status: str) -> Object:
    headers = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
    named = {"401": "www-authenticate", "405": "allow"} | dict.fromkeys(_WITH_RETRY, "retry-after")
    if status in named:
        headers[named[status]] = {"$ref": f"#/components/headers/{named[status]}"}
    return {
        "description": _ERRORS[status],
        "headers": headers,
        "content": json_content(ref(FailureBody)),
    }


def _name(status: str) -> str:
    return f"Error{status}"
