"""Requests that are passed on as they are: sounds, files and batches. What stages know of them."""

from dataclasses import dataclass
from typing import Literal

from tidegate.domain.request import Surface

PassedSurface = Literal["audio", "files", "batches"]

RecordedSurface = Surface | PassedSurface

Doing = Literal["ask", "create", "list", "read", "cancel", "delete"]
"""`ask` has an answer and leaves nothing behind; all others are about objects that stay."""


@dataclass(frozen=True, slots=True)
class Passed:
    """One request on its way through."""

    surface: PassedSurface
    doing: Doing
    method: str
    path: str
    """Below the upstream's base URL, made of checked parts."""
    body: bytes = b""
    content_type: str = ""
    model: str = ""
    """As the client named it; empty where a path takes none."""
    model_at: tuple[int, int] | None = None
    """Where the model's name lies in `body`, as the bytes that may be replaced."""
    quotes_model: bool = False
    """The name stands in JSON, with its quotation marks."""
    object_id: str = ""
    """Of the file or batch that the path names."""
    needs: tuple[str, ...] = ()
    """Other objects that the body names and that must be the tenant's own."""
    size_bytes: int = 0
    """Of the file that is uploaded."""
    characters: int = 0
    """Of a text to be spoken."""
    after: str = ""
    """Of a list: the object that it goes on behind."""
    limit: int = 20
    """Of a list: how many objects at most."""
    filters: tuple[tuple[str, str], ...] = ()
    """Of a list: what else the client asked for, by name of the parameter."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Where files and batches lie."""

    upstream: str
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Bound:
    """Whose a file or batch is, and where it lies."""

    tenant: str
    upstream: str
    surface: PassedSurface
    size_bytes: int
    """Of a file's upload; 0 where it is not known."""
