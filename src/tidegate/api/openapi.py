"""`GET /openapi.json`: every path of both listeners, described from the types that serve them."""

from collections.abc import Sequence

import msgspec

from tidegate.api.openapi_exchange import exchange_paths
from tidegate.api.openapi_parts import (
    ADMIN,
    ADMIN_ERRORS,
    FEEDBACK_ERRORS,
    KEY,
    LISTING_ERRORS,
    SURFACE_ERRORS,
    Object,
    answer_headers,
    components,
    errors,
    errors_in,
    json_content,
    parameters,
)
from tidegate.api.openapi_passed import passed_paths
from tidegate.api.openapi_schemas import Alive, Ready, ref, schemas
from tidegate.domain.record import Record
from tidegate.wire.anthropic_message import MessageAnswer, MessageFailureBody, TokenCount
from tidegate.wire.anthropic_surface import CountTokensRequest, MessagesRequest
from tidegate.wire.chat_completion import ChatCompletion, ChatCompletionChunk
from tidegate.wire.chat_request import ChatRequest
from tidegate.wire.completions_answer import CompletionAnswer
from tidegate.wire.completions_request import CompletionRequest
from tidegate.wire.decisions import DecisionsRequest
from tidegate.wire.decisions_answer import DecisionsAnswer
from tidegate.wire.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tidegate.wire.failures import FailureBody
from tidegate.wire.feedback import FeedbackAnswer, FeedbackRequest
from tidegate.wire.models import Model, ModelList
from tidegate.wire.responses_answer import ResponseAnswer
from tidegate.wire.responses_request import ResponseRequest

_ABOUT = (
    "Unknown request fields travel to the upstream untouched. Request bodies are JSON objects in"
    " UTF-8 without duplicate keys, at most 64 levels deep, and not compressed."
)

_STREAM = (
    "Server-sent events: `data: {chunk}` and a blank line each, at the end `data: [DONE]`. A stream"
    " that cannot be completed ends with `data: {error}` and without `[DONE]`."
)

_RESPONSE_STREAM = (
    "Server-sent events, each named by its `type`; the last one is `response.completed` or"
    " `response.incomplete` and holds the whole response. A stream that cannot be completed ends"
    " with the event `error`."
)

_MESSAGE_STREAM = (
    "Server-sent events, each named by its `type`; the last one is `message_stop`. A stream that"
    " cannot be completed ends with the event `error`."
)

_CONFIDENCE = (
    "The `confidence` of a choice is the calibrated probability of the returned choice, that of a"
    " score the one of the most likely level. A question that no tier could answer is a `refusal`."
)


def document(version: str) -> bytes:
    """Give the OpenAPI 3.1 document of a node of this `version`."""
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Tidegate",
                "version": version,
                "description": _ABOUT,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/", "description": "The data listener."}],
            "tags": [
                {"name": "inference", "description": "Answered here or by an upstream."},
                {
                    "name": "passed on",
                    "description": "Sounds, files and batches: an upstream's own, passed on.",
                },
                {"name": "learning", "description": "Among nodes that share a learner."},
                {"name": "models", "description": "The model names that this node takes."},
                {"name": "health", "description": "Probes; they need no key."},
                {"name": "admin", "description": "On the admin listener only."},
            ],
            "paths": _inference()
            | passed_paths()
            | exchange_paths()
            | _models()
            | _health()
            | _admin(),
            "components": {"schemas": schemas(), **components()},
        }
    )


def _inference() -> Object:
    chat = _ask("createChatCompletion", "Continue a conversation", ChatRequest, ChatCompletion)
    _streams(chat, _STREAM)["x-event-schema"] = ref(ChatCompletionChunk)
    response = _ask("createResponse", "Make a response", ResponseRequest, ResponseAnswer)
    _streams(response, _RESPONSE_STREAM)
    completion = _ask("createCompletion", "Continue a text", CompletionRequest, CompletionAnswer)
    _streams(completion, _STREAM)["x-event-schema"] = ref(CompletionAnswer)
    message = _message(_ask("createMessage", "Continue a message", MessagesRequest, MessageAnswer))
    _streams(message, _MESSAGE_STREAM)
    count = _message(_ask("countTokens", "Count a message", CountTokensRequest, TokenCount))
    decisions = _ask("createDecision", "Decide typed questions", DecisionsRequest, DecisionsAnswer)
    decisions["description"] = _CONFIDENCE
    return {
        "/v1/chat/completions": {"post": chat},
        "/v1/responses": {"post": response},
        "/v1/completions": {"post": completion},
        "/v1/messages": {"post": message},
        "/v1/messages/count_tokens": {"post": count},
        "/v1/decisions": {"post": decisions},
        "/v1/embeddings": {
            "post": _ask("createEmbedding", "Embed texts", EmbeddingsRequest, EmbeddingsAnswer)
        },
        "/v1/feedback": {"post": _feedback()},
    }


def _feedback() -> Object:
    """Describe the one operation with a body that no engine and no upstream sees."""
    described = _read("giveFeedback", "Take a label down", "inference", ref(FeedbackAnswer))
    described["description"] = (
        "The right label for one question of an earlier request of the same tenant. Needs the scope"
        " `feedback`."
    )
    described["requestBody"] = {"required": True, "content": json_content(ref(FeedbackRequest))}
    described["responses"] |= errors(FEEDBACK_ERRORS)
    return described


def _message(operation: Object) -> Object:
    """Describe the errors of an operation in Anthropic's dialect."""
    operation["responses"] |= errors_in(MessageFailureBody, SURFACE_ERRORS)
    return operation


def _streams(operation: Object, description: str) -> Object:
    """Say that an operation may answer as a stream; gives the description of its content."""
    content: Object = {
        "schema": {
            "type": "object",
            "description": description,
            "properties": {"data": {"type": "string"}},
            "required": ["data"],
        }
    }
    operation["responses"]["200"]["content"]["text/event-stream"] = content
    return content


def _ask(operation: str, summary: str, request: type, answer: type) -> Object:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["inference"],
        "security": list(KEY),
        "parameters": parameters(),
        "requestBody": {"required": True, "content": json_content(ref(request))},
        "responses": {
            "200": {
                "description": "The answer.",
                "headers": answer_headers(),
                "content": json_content(ref(answer)),
            },
            **errors(SURFACE_ERRORS),
        },
    }


def _models() -> Object:
    name = {
        "name": "model",
        "in": "path",
        "required": True,
        "description": "A name from the list.",
        "schema": {"type": "string", "minLength": 1},
    }
    return {
        "/v1/models": {
            "get": _read("listModels", "List model names", "models", ref(ModelList)),
        },
        "/v1/models/{model}": {
            "get": _read("retrieveModel", "Describe a model name", "models", ref(Model), [name]),
        },
    }


def _health() -> Object:
    live = _read("live", "Tell whether the process answers", "health", ref(Alive))
    ready = _read("ready", "Tell whether the node can serve", "health", ref(Ready))
    for probe in (live, ready):
        probe["security"] = []
        probe["responses"] = {"200": probe["responses"]["200"], **errors(("405",))}
    ready["responses"]["503"] = {
        "description": "Not ready; the body says why.",
        "content": json_content(ref(Ready)),
    }
    return {"/livez": {"get": live}, "/readyz": {"get": ready}}


def _admin() -> Object:
    identifier = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The `x-request-id` of an answer.",
        "schema": {"type": "string", "minLength": 1},
    }
    anything: Object = {"type": "object"}
    metrics = _administer("metrics", "Give metrics for Prometheus", anything)
    metrics["responses"]["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    reload = _administer("reload", "Load the configuration anew", anything)
    reload["responses"]["422"] = {
        "description": "The configuration is wrong; the old one stays in force.",
        "content": json_content(ref(FailureBody)),
    }
    return {
        path: {"servers": [_ADMIN_SERVER], method: operation}
        for path, method, operation in (
            ("/metrics", "get", metrics),
            ("/openapi.json", "get", _administer("openapi", "Give this document", anything)),
            ("/admin/status", "get", _administer("status", "Tell the node's state", anything)),
            ("/admin/reload", "post", reload),
            (
                "/admin/records/{id}",
                "get",
                _administer("record", "Give one record", ref(Record), [identifier]),
            ),
        )
    }


_ADMIN_SERVER = {
    "url": "http://{address}",
    "description": "The admin listener: loopback only; its place is in the file `admin.address`.",
    "variables": {"address": {"default": "127.0.0.1"}},
}


def _administer(
    operation: str, summary: str, schema: Object, path: Sequence[Object] = ()
) -> Object:
    described = _read(operation, summary, "admin", schema, path)
    described["security"] = list(ADMIN)
    described["responses"] |= errors(ADMIN_ERRORS)
    return described


def _read(
    operation: str, summary: str, tag: str, schema: Object, path: Sequence[Object] = ()
) -> Object:
    """Describe an operation without a request body."""
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        "security": list(KEY),
        **({"parameters": list(path)} if path else {}),
        "responses": {
            "200": {"description": summary + ".", "content": json_content(schema)},
            **errors(LISTING_ERRORS),
        },
    }
