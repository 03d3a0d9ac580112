"""Checks that a request body is JSON which every reader down the line reads alike.

Typed decoding comes after it; see `chat_request`, `embeddings` and `decisions`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from tidegate.errors import InvalidRequest

DEPTH_LIMIT = 64
"""Levels of nesting; the deepest request that the SDKs can build has about 40."""

DUPLICATE_CHECK_BYTES = 256 * 1024
"""Larger bodies are encoded anew in place of the search for duplicate keys."""

_KEY_SHOWN_CHARACTERS = 64


_HALF_AT_THE_END = re.compile(rb"(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}[^\\]{0,5}\Z")
"""Of a body in which the decoder finds no room for the other half: it calls that truncated."""
_CONTAINERS = frozenset({dict, list})
_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode


class _DuplicateKey(Exception):
    """Carries the key out of the JSON parser."""


def check(body: bytes) -> bytes:
    """Give bytes that are safe to relay: `body` itself, or its encoding when it is large.

    Raises InvalidRequest for whatever is not one JSON object in UTF-8 with unique keys, finite
    numbers, whole surrogate pairs and at most `DEPTH_LIMIT` levels.
    """
    value = _decode(body)
    if type(value) is not dict:
        raise InvalidRequest("The request body must be a JSON object.")
    if body.count(b"{") + body.count(b"[") > DEPTH_LIMIT:
        _check_depth(value)
    encoded = _ENCODE(value)
    if len(body) > DUPLICATE_CHECK_BYTES:
        return encoded
    # A dropped duplicate makes the encoding shorter, so equality proves that there was none; SDKs
    # send this compact form. Any other form is read once more by a parser that sees every pair.
    if encoded != body:
        _check_duplicates(body)
    return body


def _decode(body: bytes) -> Any:
    if not body:
        raise InvalidRequest("The request body is empty; send a JSON object.")
    try:
        return _DECODE(body)
    except RecursionError:
        raise _too_deep() from None
    except msgspec.ValidationError as error:
        reason = str(error).split(" - at ", 1)[0]
        raise InvalidRequest(f"The request body holds a bad number: {reason.lower()}.") from None
    except msgspec.DecodeError as error:
        if "surrogate" in str(error) or _HALF_AT_THE_END.search(body[-16:]):
            raise InvalidRequest(
                "The request body holds a lone surrogate, half of a character; send whole ones."
            ) from None
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The request body is not UTF-8: {error.reason}.") from None


def _check_depth(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(DEPTH_LIMIT):
        level = [item for node in level for item in _children(node) if type(item) in _CONTAINERS]
        if not level:
            return
    raise _too_deep()


def _children(node: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return node.values() if type(node) is dict else node


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The request body is nested deeper than {DEPTH_LIMIT} levels.")


def _check_duplicates(body: bytes) -> None:
    try:
        _PAIRWISE.decode(body.decode())
    except _DuplicateKey as error:
        key = str(error)
        raise InvalidRequest(
            f"The request body holds the key {key!r} twice in one object."
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _DuplicateKey(key[:_KEY_SHOWN_CHARACTERS])
    return unique


_PAIRWISE = json.JSONDecoder(object_pairs_hook=_unique)
