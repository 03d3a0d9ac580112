"""Who is asking: the authenticated tenant and what the key may do."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["client", "node"]
"""`node` keys belong to other Tidegates: they may pass on a deadline and act for a tenant."""

Scope = Literal[
    "chat", "embeddings", "decisions", "models", "audio", "batches", "debug", "feedback", "learn"
]

SCOPES: tuple[Scope, ...] = (
    *("chat", "embeddings", "decisions", "models", "audio", "batches", "debug", "feedback"),
    "learn",
)
DEFAULT_SCOPES: tuple[Scope, ...] = ("chat", "embeddings", "decisions", "models")
"""Neither sounds nor batches: a batch names its models itself, where no route is asked. `learn` is
for other nodes: labels of all tenants, and what was learned from them."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller; comes from the key alone, never from text or a header."""

    tenant: str
    key_id: str
    role: Role
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Tell whether the key carries this scope."""
        return scope in self.scopes
