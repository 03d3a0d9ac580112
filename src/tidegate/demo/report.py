"""What came of the demo: as facts, and as a table."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from tidegate.demo.play import Told
from tidegate.demo.show import Outcome
from tidegate.demo.stage import THRESHOLD, Central
from tidegate.domain.record import Record
from tidegate.ledger.rollup import against_central, totals
from tidegate.ports.records import Total

MICRO = 1_000_000
_OK = 200


class Group(msgspec.Struct, frozen=True):
    """Requests answered by one source at one tier. Times in seconds, shares of 1."""

    source: str
    tier: str
    requests: int
    share: float
    p50_s: float
    p99_s: float
    failed: int


class Facts(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    is_mock: bool
    requests: int
    answered: int
    streams_whole: int
    streams: int
    groups: list[Group]
    decisions_local_share: float
    held_out_accuracy_local: float | None
    held_out_accuracy_all: float | None
    fell_back: int
    failed_attempts: dict[str, int]
    cost_usd: float
    all_central_usd: float
    resident_mb: float


def facts(outcome: Outcome, central: Central) -> Facts:
    """Sum the demo up: times and money from the ledger, answers as the client saw them."""
    records, told = outcome.records, outcome.told
    decisions = [one for one in told if one.ask.label is not None]
    local = [one for one in decisions if one.source == "local"]
    streams = [one for one in told if one.ask.kind == "chat stream"]
    compared = against_central(records)
    return Facts(
        is_mock=central == "mock",
        requests=len(told),
        answered=sum(one.status == _OK for one in told),
        streams=len(streams),
        streams_whole=sum(one.is_whole for one in streams),
        groups=[_group(total, len(records)) for total in totals(records, _source_and_tier)],
        decisions_local_share=len(local) / len(decisions),
        held_out_accuracy_local=_accuracy(local),
        held_out_accuracy_all=_accuracy(decisions),
        fell_back=sum(_fell_back(record) for record in records),
        failed_attempts=dict(
            Counter(
                f"{attempt.target}: {attempt.outcome}"
                for record in records
                for attempt in record.attempts
                if attempt.outcome != "ok"
            )
        ),
        cost_usd=compared.cost_micro_usd / MICRO,
        all_central_usd=compared.central_cost_micro_usd / MICRO,
        resident_mb=outcome.resident_bytes / 2**20,
    )


def print_report(found: Facts, outcome: Outcome, console: Console) -> None:
    """Print the table and what it means."""
    table = Table(title="Where the answers came from")
    for name in ("source", "tier", "requests", "share", "p50 ms", "p99 ms", "failed"):
        table.add_column(name, justify="left" if name in ("source", "tier") else "right")
    for group in found.groups:
        table.add_row(
            group.source,
            group.tier,
            str(group.requests),
            f"{group.share:.0%}",
            f"{group.p50_s * 1000:.1f}",
            f"{group.p99_s * 1000:.1f}",
            str(group.failed),
        )
    console.print(table)
    metrics = outcome.trained.metrics
    console.print(
        f"Task `support`: {outcome.trained.labels} labels, {metrics.rows} rows,"
        f" accuracy {metrics.accuracy:.3f} out of fold."
    )
    console.print(
        f"Asked with the held-out quarter: {found.decisions_local_share:.0%} of decisions answered"
        f" here at threshold {THRESHOLD:g} (unguaranteed), {_shown(found.held_out_accuracy_local)}"
        f" of those right; all decisions {_shown(found.held_out_accuracy_all)} right."
    )
    console.print(
        f"{found.fell_back} requests fell back to another tier while the region was dead;"
        f" {found.answered} of {found.requests} were answered,"
        f" {found.streams_whole} of {found.streams} streams whole."
    )
    console.print(
        f"Cost {found.cost_usd:.6f} USD; all of it at the centre {found.all_central_usd:.6f} USD"
        f" (list prices). The node used {found.resident_mb:.0f} MB."
    )
    if found.is_mock:
        console.print(
            "[dim]Upstreams were mocks on this machine with made-up latency: their times and"
            " answers say nothing about a real model.[/dim]"
        )


def _group(total: Total, count: int) -> Group:
    source, tier = total.group.split(" ")
    return Group(
        source=source,
        tier=tier,
        requests=total.requests,
        share=total.requests / count,
        p50_s=total.p50_s,
        p99_s=total.p99_s,
        failed=total.failed,
    )


def _source_and_tier(record: Record) -> str:
    return f"{record.source or 'none'} {record.tier or '-'}"


def _fell_back(record: Record) -> bool:
    return record.error is None and any(one.outcome != "ok" for one in record.attempts)


def _accuracy(told: Sequence[Told]) -> float | None:
    if not told:
        return None
    return sum(one.label == one.ask.label for one in told) / len(told)


def _shown(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"
