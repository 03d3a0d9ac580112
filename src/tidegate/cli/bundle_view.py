"""What `tidegate bundles` shows: bundles as JSON and as tables."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from tidegate.cli.rollout import in_force
from tidegate.cli.screen import put
from tidegate.domain.bundle import Bundle
from tidegate.errors import BundleError, StateError
from tidegate.node.stock import Meant, Stock, Unpacked
from tidegate.ports.encoder import Encoder


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One version in the list."""

    bundle: str
    version: str
    is_newest: bool
    is_pinned: bool
    created: float | None = None
    labels: int | None = None
    rows: int | None = None
    accuracy: float | None = None
    why: str = ""
    """What is wrong with it."""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """One version as a whole, without its weights."""

    bundle: str
    version: str
    meant_by: str
    """`named`, or why the bare name stands for this version."""
    content_hash: str
    created: float
    encoder: str
    labels: tuple[str | bool, ...]
    questions: tuple[str, ...]
    parts: list[str]
    metrics: object
    provenance: object
    licence: str | None
    is_pinned: bool
    size_bytes: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a version may serve here."""

    bundle: str
    version: str
    is_good: bool
    meant_by: str = "named"
    """`named`, or why the bare name stands for this version."""
    golden_deviation: float | None = None
    why: str = ""


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that was written."""

    path: str
    size_bytes: int


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A version that came from an archive."""

    bundle: str
    version: str
    was: str
    is_new: bool
    newest: str | None
    pinned: str | None
    generation: int | None

    @property
    def text(self) -> str:
        """Say it to a person."""
        lines = [f"`{self.bundle}` {self.version} " + ("is added" if self.is_new else "was there")]
        if self.version != self.was:
            lines.append(f"it was {self.was} in the archive; that number is taken here")
        if self.pinned not in (None, self.version):
            lines.append(f"{self.pinned} is pinned and serves")
        elif self.newest != self.version:
            lines.append(
                f"{self.newest} is newer and serves;"
                f" to choose: tidegate bundles pin {self.bundle}@{self.version}"
            )
        return "\n".join([*lines, in_force(self.generation)])


def told(found: object, *, json: bool, text: Callable[[], str | RenderableType]) -> None:
    """Print JSON, or what a person reads."""
    if json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    put(text())


def rows(stock: Stock) -> list[Row]:
    """Give all versions of all bundles."""
    return [_row(stock, name, version) for name, version in stock.all()]


def listing(found: Sequence[Row]) -> RenderableType:
    """Lay the list out."""
    if not found:
        return "no bundles yet: tidegate train FILE.jsonl --task NAME"
    titles = ("version", "", "created", "labels", "rows", "accuracy")
    table = Table(Column("bundle", overflow="fold"), *(Column(one, no_wrap=True) for one in titles))
    for one in found:
        mark = "pinned" if one.is_pinned else "newest" if one.is_newest else ""
        if one.why:
            table.add_row(one.bundle, one.version, "unusable")
        else:
            accuracy = "" if one.accuracy is None else f"{one.accuracy:.1%}"
            numbers = (str(one.labels), str(one.rows), accuracy)
            table.add_row(one.bundle, one.version, mark, _day(one.created), *numbers)
    return Group(table, *(Text(one.why) for one in found if one.why))


def details(stock: Stock, meant: Meant) -> Details:
    """Give one version as a whole."""
    name, version = meant.name, meant.version
    bundle = stock.read(name, version)
    return Details(
        bundle=name,
        version=version,
        meant_by=meant.why,
        content_hash=bundle.content_hash,
        created=bundle.created,
        encoder=bundle.encoder,
        labels=bundle.head.labels,
        questions=bundle.questions,
        parts=_parts(bundle),
        metrics=bundle.metrics,
        provenance=bundle.provenance,
        licence=bundle.licence,
        is_pinned=stock.pinned(name) == version,
        size_bytes=stock.size_bytes(name, version),
    )


def described(found: Details) -> str:
    """Write a version out, a line a fact."""
    facts = msgspec.to_builtins(found)
    lines = []
    for name, value in facts.items():
        if name == "created":
            shown = _day(value)
        elif isinstance(value, dict):
            shown = "  ".join(f"{key}={_short(one)}" for key, one in value.items())
        else:
            shown = _short(value)
        lines.append(f"{name:13} {shown}")
    return "\n".join(lines)


async def verdicts(stock: Stock, wanted: Sequence[Meant], encoder: Encoder) -> list[Verdict]:
    """Check versions one after another."""
    found = []
    for one in wanted:
        verdict = Verdict(bundle=one.name, version=one.version, is_good=True, meant_by=one.why)
        try:
            deviation = await stock.verify(one.name, one.version, encoder)
        except (BundleError, StateError) as error:
            found.append(msgspec.structs.replace(verdict, is_good=False, why=str(error)))
        else:
            found.append(msgspec.structs.replace(verdict, golden_deviation=deviation))
    return found


def verdicts_text(found: Sequence[Verdict]) -> str:
    """Give a line a version."""
    lines = [
        f"{_told(one)}: good, golden scores off by {one.golden_deviation:.1g}"
        if one.is_good
        else f"{_told(one)}: {one.why}"
        for one in found
    ]
    return "\n".join(lines) or "no bundles yet"


def _told(one: Verdict) -> str:
    name = f"{one.bundle} {one.version}"
    return name if one.meant_by == "named" else f"{name} ({one.meant_by})"


def packed(path: Path, size_bytes: int) -> Packed:
    """Tell where an archive is."""
    return Packed(path=str(path), size_bytes=size_bytes)


def unpacked(stock: Stock, made: Unpacked, generation: int | None) -> Added:
    """Tell what became of an archive."""
    name = made.bundle.name
    return Added(
        bundle=name,
        version=made.bundle.version,
        was=made.was,
        is_new=made.is_new,
        newest=stock.newest(name),
        pinned=stock.pinned(name),
        generation=generation,
    )


def _row(stock: Stock, name: str, version: str) -> Row:
    row = Row(
        bundle=name,
        version=version,
        is_newest=version == stock.newest(name),
        is_pinned=version == stock.pinned(name),
    )
    try:
        bundle = stock.read(name, version)
    except (BundleError, StateError) as error:
        return msgspec.structs.replace(row, why=str(error))
    return msgspec.structs.replace(
        row,
        created=bundle.created,
        labels=len(bundle.head.labels),
        rows=bundle.metrics.rows,
        accuracy=bundle.metrics.accuracy,
    )


def _parts(bundle: Bundle) -> list[str]:
    optional = {
        "ngrams": bundle.head.ngrams,
        "static": bundle.static,
        "novelty": bundle.novelty,
    }
    return ["head", *(name for name, part in optional.items() if part is not None)]


def _short(value: object) -> str:
    match value:
        case None | () | []:
            return "not stated"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.4f}"
        case dict():
            return " ".join(f"{key} {_short(one)}" for key, one in value.items())
        case list() | tuple():
            return ", ".join(_short(one) for one in value)
        case _:
            return str(value)


def _day(seconds: float | None) -> str:
    from datetime import UTC, datetime

    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
