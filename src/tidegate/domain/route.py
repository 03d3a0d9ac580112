"""What the operator wants done with a model name: which tiers, in which order, by which rules."""

from dataclasses import dataclass, field
from typing import Literal

from tidegate.domain.request import Need

Personal = Literal["user", "metadata", "client_address"]
"""What may identify a person; goes upstream only where a route lists it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One upstream of a route and the model's name there."""

    upstream: str
    model: str


@dataclass(frozen=True, slots=True)
class Rule:
    """All given conditions must hold; then the plan starts at the upstream named by `to`."""

    to: str
    min_tokens: int | None = None
    max_tokens: int | None = None
    pattern: str | None = None
    """RE2 syntax, searched in the last user turn."""
    needs: frozenset[Need] | None = None
    """Holds when the request needs at least one of these; empty: when it needs none of any kind."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Whether and for how long answers of a route may be repeated."""

    is_on: bool
    ttl_s: float = 3600.0
    allows_sampled: bool = False
    """Also cache answers asked for with a temperature above 0."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How a chat route asks about a text, and what the upstream may answer."""

    pattern: str
    """RE2 syntax; matches the whole user turn, and its one group is the text."""
    labels: tuple[str, ...] = ()
    """Empty: the request's response format lists them."""


@dataclass(frozen=True, slots=True)
class Route:
    """One entry under `routes`, or one that a task or the encoder brings with it."""

    name: str
    models: tuple[str, ...]
    """Names and aliases; `*` takes whatever no other route names."""
    targets: tuple[Target, ...] = ()
    """Nearest first; an empty model means the client's own name for it."""
    uses_encoder: bool = False
    """Embeddings are answered by this node's encoder."""
    tasks: tuple[str, ...] = ()
    """Tasks whose bundles may answer decisions here."""
    learns: bool = False
    """What upstreams answer to decisions, and to chat requests that are one, becomes labels."""
    template: ChatTemplate | None = None
    strategy: Literal["ordered", "rules"] = "ordered"
    rules: tuple[Rule, ...] = ()
    edge_first_token_s: float = 0.5
    """With `rules`: how long a nearer tier may take to its first token."""
    deadline_s: float = 300.0
    caches: tuple[tuple[Literal["chat", "embeddings", "decisions"], CachePolicy], ...] = ()
    forward: frozenset[Personal] = field(default_factory=frozenset)

    def cache_policy(self, surface: Literal["chat", "embeddings", "decisions"]) -> CachePolicy:
        """Give the policy of one surface: on for embeddings and decisions unless stated."""
        for name, policy in self.caches:
            if name == surface:
                return policy
        return CachePolicy(is_on=surface != "chat")
