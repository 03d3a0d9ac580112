"""What supervisor and workers tell each other: an order each way down, one answer each way up.

Both ends are one release: a worker of another version says so and ends.
"""

from typing import Literal, TypeAlias

import msgspec

from tidegate.domain.metric import Family


class Text(msgspec.Struct, frozen=True):
    """A configuration as it was read, so that all workers use the same bytes."""

    content: bytes
    source: str | None
    """The file as the operator named it."""
    folder: str
    """Relative paths in it count from here."""


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """Build everything, and do not accept yet; answered by `Ready` or `Refused`."""

    worker: int
    text: Text
    state: str
    generation: int
    log_style: Literal["json", "text"]


class Serve(msgspec.Struct, frozen=True, tag="serve"):
    """Accept requests."""


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Build a generation beside the one that serves; answered by `Ready` or `Refused`."""

    generation: int
    text: Text | None
    """None: from the configuration in force, with bundles that were checked already."""


class Adopt(msgspec.Struct, frozen=True, tag="adopt"):
    """Swap to what was prepared."""

    generation: int


class Revoke(msgspec.Struct, frozen=True, tag="revoke"):
    """Answer no more under a guarantee, in no generation."""

    task: str
    granted_at: float


class Restore(msgspec.Struct, frozen=True, tag="restore"):
    """Answer under it again, once a generation has it."""

    task: str
    granted_at: float


class Abandon(msgspec.Struct, frozen=True, tag="abandon"):
    """Drop what was prepared, if anything: the reload was refused."""

    why: str


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Answer with a `Report`."""


class Cover(msgspec.Struct, frozen=True, tag="cover"):
    """Accept what comes to another worker's socket too: it is not there."""

    worker: int


class Uncover(msgspec.Struct, frozen=True, tag="uncover"):
    """Leave that socket to its worker again."""

    worker: int


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Accept no more, let requests under way end, end."""

    hurry: bool
    """Do not let them end."""


Order: TypeAlias = (
    Begin | Serve | Prepare | Adopt | Revoke | Restore | Abandon | Look | Cover | Uncover | Stop
)


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The order was carried out."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """A generation is built."""

    generation: int
    content: str
    """Hash of what decides its answers; differs when workers read different files."""
    unserved: dict[str, str]
    held_back: dict[str, str]
    encoder: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """It cannot be carried out; what was before still is."""

    why: str
    is_setting: bool
    """The configuration or the state directory is wrong, so trying again does not help."""


class Report(msgspec.Struct, frozen=True, tag="report"):
    """How a worker stands."""

    generation: int
    in_flight: int
    journal_pending: int
    journal_lost: int
    resident_bytes: int
    is_stopping: bool
    families: list[Family]


Answer: TypeAlias = Done | Ready | Refused | Report


class Ordered(msgspec.Struct, frozen=True, array_like=True):
    """An order on its way."""

    number: int
    order: Order


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """The answer to the order of that number."""

    number: int
    answer: Answer
