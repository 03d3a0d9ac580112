"""Sounds, files and batches in `openapi.json`: what the node reads of them, and no more."""

from collections.abc import Sequence

from tidegate.api.openapi_parts import KEY, SURFACE_ERRORS, Object, errors, json_content, parameters

_NAME: Object = {"type": "string", "minLength": 1, "maxLength": 256}
_FILE: Object = {"type": "string", "format": "binary"}
_OBJECT_ID: Object = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}
_ANYTHING: Object = {"type": "object"}
_BYTES: Object = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_TRANSCRIPT: Object = {
    "application/json": {"schema": _ANYTHING},
    "text/plain": {"schema": {"type": "string"}},
    "text/event-stream": {"schema": {"type": "string"}},
}
_ID: Object = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Of a file or batch that this tenant made.",
    "schema": _OBJECT_ID,
}


def passed_paths() -> Object:
    """Describe the paths that are passed on to an upstream of kind `openai`."""
    file, batch = "A file of this tenant.", "A batch of this tenant."
    return {
        "/v1/audio/speech": {
            "post": _operation("createSpeech", "Speak a text", _BYTES, body=_speech())
        },
        "/v1/audio/transcriptions": {
            "post": _operation(
                "createTranscription", "Write a recording down", _TRANSCRIPT, body=_form()
            )
        },
        "/v1/audio/translations": {
            "post": _operation(
                "createTranslation", "Translate a recording", _TRANSCRIPT, body=_form()
            )
        },
        "/v1/files": {
            "get": _operation("listFiles", "List files", json_content(_ANYTHING), query=_FILES),
            "post": _operation(
                "createFile", "Upload a file", json_content(_ANYTHING), body=_file()
            ),
        },
        "/v1/files/{id}": {
            "get": _operation("retrieveFile", file, json_content(_ANYTHING), query=[_ID]),
            "delete": _operation(
                "deleteFile", "Delete a file", json_content(_ANYTHING), query=[_ID]
            ),
        },
        "/v1/files/{id}/content": {
            "get": _operation("retrieveFileContent", "Its content", _BYTES, query=[_ID])
        },
        "/v1/batches": {
            "get": _operation("listBatches", "List batches", json_content(_ANYTHING), query=_LIST),
            "post": _operation(
                "createBatch", "Start a batch", json_content(_ANYTHING), body=_batch()
            ),
        },
        "/v1/batches/{id}": {
            "get": _operation("retrieveBatch", batch, json_content(_ANYTHING), query=[_ID])
        },
        "/v1/batches/{id}/cancel": {
            "post": _operation(
                "cancelBatch", "Cancel a batch", json_content(_ANYTHING), query=[_ID]
            )
        },
    }


def _query(name: str, description: str, schema: Object) -> Object:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_LIST = (
    _query("limit", "Objects at most; 100 is the most.", {"type": "integer", "minimum": 1}),
    _query("after", "The object behind which to go on.", _OBJECT_ID),
)
_FILES = (
    *_LIST,
    _query(
        "purpose",
        "Only files of this purpose.",
        {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"},
    ),
    _query("order", "By time of making.", {"type": "string", "enum": ["asc", "desc"]}),
)


def _operation(
    operation: str,
    summary: str,
    content: Object,
    *,
    query: Sequence[Object] = (),
    body: Object | None = None,
) -> Object:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["passed on"],
        "security": list(KEY),
        "parameters": [*parameters(), *query],
        **({} if body is None else {"requestBody": {"required": True, "content": body}}),
        "responses": {
            "200": {
                "description": "The upstream's answer, as it came.",
                "headers": {"x-request-id": {"$ref": "#/components/headers/x-request-id"}},
                "content": content,
            },
            **errors(SURFACE_ERRORS),
        },
    }


def _speech() -> Object:
    properties = {"model": _NAME, "input": {"type": "string"}}
    return json_content(
        {"type": "object", "properties": properties, "required": ["model", "input"]}
    )


def _batch() -> Object:
    properties = {"input_file_id": _OBJECT_ID}
    return json_content({"type": "object", "properties": properties, "required": ["input_file_id"]})


def _form() -> Object:
    return _multipart({"file": _FILE, "model": _NAME})


def _file() -> Object:
    return _multipart({"file": _FILE, "purpose": {"type": "string", "minLength": 1}})


def _multipart(properties: Object) -> Object:
    schema = {"type": "object", "properties": properties, "required": sorted(properties)}
    return {"multipart/form-data": {"schema": schema}}
