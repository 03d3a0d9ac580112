"""The mock's sounds, files and batches in the OpenAI dialect; each answer says that it is a mock.

Sounds are bytes that say so, batches are done at once: their results lie in a file when they are
looked at. Nothing outlives the process.
"""

import time
from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec

from tidegate.errors import InvalidRequest
from tidegate.mock import openai
from tidegate.mock.reply import reply
from tidegate.mock.rules import Rules
from tidegate.wire.multipart import read_form, text_of

_MOST = 1_000
_JSON = "application/json"
_OK, _INVALID, _NOT_FOUND = 200, 400, 404
_FIELDS = frozenset({"model", "purpose", "response_format", "stream"})


@dataclass(frozen=True, slots=True)
class Given:
    """An answer."""

    body: bytes
    kind: str = _JSON
    status: int = _OK


class _Speech(msgspec.Struct):
    model: str
    input: str


class _Wanted(msgspec.Struct):
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None


class _Line(msgspec.Struct):
    custom_id: str
    body: openai.Chat


class Passed:
    """Keeps files and batches."""

    def __init__(self, rules: Rules) -> None:
        """Batches are answered by `rules`."""
        self._rules = rules
        self._files: dict[str, tuple[dict[str, object], bytes]] = {}
        self._batches: dict[str, dict[str, object]] = {}
        self._made = 0

    def answer(self, method: str, path: str, query: str, kind: str, body: bytes) -> Given | None:
        """Answer a call; None for a path of another kind."""
        parts = path.removeprefix("/v1/").split("/")
        if parts[0] not in ("audio", "files", "batches"):
            return None
        try:
            return self._route(method, parts, query, kind, body)
        except (msgspec.DecodeError, InvalidRequest) as error:
            return Given(openai.error(_INVALID, str(error)), status=_INVALID)

    def _route(self, method: str, parts: list[str], query: str, kind: str, body: bytes) -> Given:
        """Find who answers a call."""
        if method == "GET" and len(parts) == 1:
            return self._list(parts[0], query)
        made = {
            "audio/speech": lambda: _speech(body),
            "audio/transcriptions": lambda: _transcript(body, kind),
            "audio/translations": lambda: _transcript(body, kind),
            "files": lambda: self._upload(body, kind),
            "batches": lambda: self._start(body),
        }.get("/".join(parts))
        if made is not None:
            return made() if method == "POST" else _missing(parts[-1])
        if method == "POST" and parts[0] == "batches" and parts[-1] == "cancel":
            return self._cancel(parts[1])
        return self._one(method, parts[0], parts[1], parts[2:])

    def _upload(self, body: bytes, kind: str) -> Given:
        form = read_form(body, kind, _FIELDS)
        purpose = text_of(body, form.fields["purpose"])
        head = body.index(b'filename="') + len(b'filename="')
        name = body[head : body.index(b'"', head)].decode()
        start = body.index(b"\r\n\r\n", head) + 4
        content = body[start : start + form.file_bytes]
        return Given(msgspec.json.encode(self._keep(content, f"[mock] {name}", purpose)))

    def _keep(self, content: bytes, name: str, purpose: str) -> dict[str, object]:
        self._made += 1
        made: dict[str, object] = {
            "id": f"file-mock{self._made}",
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": name,
            "purpose": purpose,
            "status": "processed",
        }
        self._files[str(made["id"])] = made, content
        if len(self._files) > _MOST:
            del self._files[next(iter(self._files))]
        return made

    def _start(self, body: bytes) -> Given:
        wanted = msgspec.json.decode(body, type=_Wanted)
        if wanted.input_file_id not in self._files:
            return _missing(wanted.input_file_id)
        self._made += 1
        made: dict[str, object] = {
            "id": f"batch_mock{self._made}",
            "object": "batch",
            "endpoint": wanted.endpoint,
            "input_file_id": wanted.input_file_id,
            "completion_window": wanted.completion_window,
            "status": "validating",
            "created_at": int(time.time()),
            "metadata": {**(wanted.metadata or {}), "mock": "true"},
        }
        self._batches[str(made["id"])] = made
        if len(self._batches) > _MOST:
            del self._batches[next(iter(self._batches))]
        return Given(msgspec.json.encode(made))

    def _finish(self, batch: dict[str, object]) -> dict[str, object]:
        """Do a batch's work, unless it was done or cancelled."""
        if batch["status"] != "validating":
            return batch
        results = []
        for raw in self._files[str(batch["input_file_id"])][1].splitlines():
            line = msgspec.json.decode(raw, type=_Line)
            said = reply(openai.ask(line.body), self._rules)
            whole = openai.whole(line.body, said, int(time.time()))
            response = {"status_code": _OK, "body": msgspec.Raw(whole)}
            result = {"custom_id": line.custom_id, "response": response, "error": None}
            results.append(msgspec.json.encode(result))
        kept = self._keep(b"\n".join([*results, b""]), "[mock] output.jsonl", "batch_output")
        counts = {"total": len(results), "completed": len(results), "failed": 0}
        batch |= {"status": "completed", "output_file_id": kept["id"], "request_counts": counts}
        return batch

    def _cancel(self, name: str) -> Given:
        if name not in self._batches:
            return _missing(name)
        self._batches[name]["status"] = "cancelling"
        return Given(msgspec.json.encode(self._batches[name]))

    def _list(self, of: str, query: str) -> Given:
        asked = dict(parse_qsl(query))
        files = [made for made, _ in self._files.values()]
        known = files if of == "files" else list(self._batches.values())
        known = known[::-1]
        if "purpose" in asked:
            known = [one for one in known if one["purpose"] == asked["purpose"]]
        ids = [one["id"] for one in known]
        start = ids.index(asked["after"]) + 1 if asked.get("after") in ids else 0
        end = start + int(asked.get("limit", "20"))
        page = {"object": "list", "data": known[start:end], "has_more": end < len(known)}
        return Given(msgspec.json.encode(page))

    def _one(self, method: str, of: str, name: str, rest: list[str]) -> Given:
        if of == "batches" and name in self._batches and not rest and method == "GET":
            return Given(msgspec.json.encode(self._finish(self._batches[name])))
        if of != "files" or name not in self._files:
            return _missing(name)
        made, content = self._files[name]
        if rest == ["content"]:
            return Given(content, "application/octet-stream")
        if method == "DELETE":
            del self._files[name]
            gone = {"id": name, "object": "file", "deleted": True}
            return Given(msgspec.json.encode(gone))
        return Given(msgspec.json.encode(made))


def _speech(body: bytes) -> Given:
    speech = msgspec.json.decode(body, type=_Speech)
    return Given(b"[mock] sound of: " + speech.input.encode(), "audio/mpeg")


def _transcript(body: bytes, kind: str) -> Given:
    form = read_form(body, kind, _FIELDS)
    asked = {name: text_of(body, place) for name, place in form.fields.items()}
    text = f"[mock] {form.file_bytes} bytes of sound, heard by {asked['model']}"
    if asked.get("stream") == "true":
        grown = msgspec.json.encode({"type": "transcript.text.delta", "delta": text})
        done = msgspec.json.encode({"type": "transcript.text.done", "text": text})
        return Given(b"data: %s\n\ndata: %s\n\n" % (grown, done), "text/event-stream")
    if asked.get("response_format") == "text":
        return Given(text.encode(), "text/plain")
    return Given(msgspec.json.encode({"text": text}))


def _missing(name: str) -> Given:
    return Given(openai.error(_NOT_FOUND, f"There is no {name!r}."), status=_NOT_FOUND)
