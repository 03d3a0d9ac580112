"""Records on a terminal: a list, a timeline of one, and sums. Values in, rich objects out."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec.structs import fields
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.domain.record import Record
from tidegate.ports.records import Total

_FIRST_ERROR_STATUS = 400
_ID_WIDTH = 32


def listing(records: Iterable[Record]) -> Table:
    """Show one row for each record."""
    table = Table("time", box=None)
    # Whole at any width: it is what `ledger show` takes.
    table.add_column("id", no_wrap=True, min_width=_ID_WIDTH)
    for name in ("status", "surface", "model", "answered by", "reason"):
        table.add_column(name)
    for name in ("ms", "tokens", "USD"):
        table.add_column(name, justify="right")
    for record in records:
        table.add_row(
            _clock(record.time),
            record.request_id,
            _status(record.status),
            record.surface,
            _plain(record.model_asked),
            _plain(_where(record)),
            _plain(record.reason),
            f"{record.duration_s * 1000:.1f}",
            f"{record.input_tokens}+{record.output_tokens}",
            usd(record.cost_micro_usd, is_estimated=_is_estimated(record)),
        )
    return table


def timeline(record: Record) -> RenderableType:
    """Show everything of one record: facts, phases, attempts, questions."""
    parts: list[RenderableType] = [_facts(record), _phases(record)]
    if record.attempts:
        parts.append(_attempts(record))
    if record.questions:
        parts.append(_questions(record))
    return Group(*parts)


def sums(totals: Sequence[Total], by: str) -> Table:
    """Show one row for each group."""
    table = Table(by, box=None)
    for name in ("requests", "failed", "p50 ms", "p99 ms", "tokens in", "tokens out", "USD"):
        table.add_column(name, justify="right")
    for total in totals:
        table.add_row(
            _plain(total.group),
            str(total.requests),
            str(total.failed),
            f"{total.p50_s * 1000:.1f}",
            f"{total.p99_s * 1000:.1f}",
            str(total.input_tokens),
            str(total.output_tokens),
            usd(total.cost_micro_usd, is_estimated=total.estimated > 0),
        )
    return table


def usd(micro: int, *, is_estimated: bool = False) -> str:
    """Show micro-USD as dollars; `~` marks an amount that holds estimates."""
    return f"{'~' if is_estimated else ''}{micro / 1_000_000:.6f}"


def _facts(record: Record) -> Table:
    when = datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds")
    facts = {
        "request": record.request_id,
        "time": when.replace("+00:00", "Z"),
        "status": f"{record.status}{f' {record.error}' if record.error else ''}",
        "asked": f"{record.model_asked} on {record.surface}{', streamed' * record.stream}",
        "who": f"tenant {record.tenant}, key {record.key_id}",
        "answered by": f"{_where(record)} {record.model or ''}".rstrip(),
        "why": record.reason,
        "confidence": None if record.confidence is None else f"{record.confidence:.4f}",
        "cache": record.cache,
        "read": _read(record),
        "tokens": f"{record.input_tokens} in ({record.cached_input_tokens} cached),"
        f" {record.output_tokens} out",
        "cost": f"{usd(record.cost_micro_usd, is_estimated=_is_estimated(record))} USD",
        "all-central": None
        if record.central_cost_micro_usd is None
        else f"{usd(record.central_cost_micro_usd)} USD",
        "lost": ", ".join(record.lossy) or None,
        "left": record.abort_phase,
        "client's id": record.client_request_id,
        "trace": record.trace_id,
        "client RTT": None if record.client_rtt_s is None else _ms(record.client_rtt_s),
        "route": f"{record.route}, generation {record.generation}",
    }
    table = Table(box=None, show_header=False)
    for name, value in facts.items():
        if value is not None:
            table.add_row(name, _plain(value))
    return table


def _read(record: Record) -> str | None:
    """Tell what this node's encoder read, and of how many texts not the end."""
    if record.windows is None:
        return None
    cut = "" if record.truncated is None else f", texts cut: {record.truncated}"
    return f"windows: {record.windows}{cut}"


def _phases(record: Record) -> Table:
    table = Table("phase", "time", box=None)
    for field in fields(record.phases):
        seconds = getattr(record.phases, field.name)
        if seconds is not None:
            table.add_row(field.name.removesuffix("_s").replace("_", " "), _ms(seconds))
    table.add_row("overhead", _ms(record.overhead_s))
    table.add_row("whole", _ms(record.duration_s))
    return table


def _attempts(record: Record) -> Table:
    table = Table(
        "attempt", "at", "took", "first byte", "target", "model", "place", "outcome", box=None
    )
    table.add_column("USD", justify="right")
    for number, attempt in enumerate(record.attempts, 1):
        place = attempt.place
        status = "" if attempt.status is None else f" {attempt.status}"
        table.add_row(
            str(number),
            _ms(attempt.started_s),
            _ms(attempt.duration_s),
            "" if attempt.first_byte_s is None else _ms(attempt.first_byte_s),
            _plain(attempt.target),
            _plain(attempt.model),
            _plain(f"{place.tier} {place.region}/{place.zone}"),
            _plain(f"{attempt.outcome}{status} {attempt.detail}".rstrip()),
            usd(attempt.cost_micro_usd, is_estimated=attempt.cost_is_estimated),
        )
    return table


def _questions(record: Record) -> Table:
    table = Table("question", "source", "confidence", "task", "bundle", "reason", box=None)
    for question in record.questions:
        table.add_row(
            question.type,
            question.source,
            "" if question.confidence is None else f"{question.confidence:.4f}",
            _plain(question.task or ""),
            _plain(question.bundle or ""),
            _plain(question.reason),
        )
    return table


def _where(record: Record) -> str:
    parts = (record.source, record.tier, record.upstream)
    return " ".join(part for part in parts if part is not None) or "-"


def _is_estimated(record: Record) -> bool:
    return record.usage_is_estimated or record.cost_is_estimated


def _status(status: int) -> Text:
    return Text(str(status), style="red" if status >= _FIRST_ERROR_STATUS else "green")


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%m-%d %H:%M:%S")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _plain(text: str) -> Text:
    """Keep what clients sent from being read as markup or terminal control."""
    return Text("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))
