"""A local task as the operator configured it: which question, which bundle, how sure is enough."""

from dataclasses import dataclass

from tidegate.domain.bundle import Pooling
from tidegate.domain.promise import Promise
from tidegate.domain.question import Question


@dataclass(frozen=True, slots=True)
class Task:
    """One entry under `tasks`."""

    name: str
    bundle: str
    """Name of the bundle that answers; the task's own name unless the operator says otherwise."""
    question: Question | None = None
    """Its wording goes into the bundle at training; None: covered by `accept_names` only."""
    threshold: float | None = None
    """Least confidence that is answered here; None: nothing is, every question goes up."""
    unguaranteed: bool = False
    """The operator accepts a threshold that no audit sample has tested."""
    accept_names: frozenset[str] = frozenset()
    """Question names that the operator vouches for when their options are the head's labels."""
    shares_labels: bool = False
    """What is learned from one tenant's traffic serves all; else each tenant has its own."""
    pooling: Pooling = "mean"
    """Of a text of several windows; goes into the bundle at training."""
    static_first: bool = True
    """Static embeddings may answer before the encoder, where the bundle has a head on them."""
    allow_truncated: bool = False
    """A text of which the encoder does not read the end may be answered here all the same."""
    bundle_version: str | None = None
    """Set to pin one version; None: the newest."""

    promise: Promise | None = None
    """What local answers are to keep to; None: no guarantee is wanted."""

    @property
    def may_serve(self) -> bool:
        """Whether a bundle of this task may answer at all."""
        return self.threshold is not None and self.unguaranteed
