"""Sums and quantiles over records: tables for people, and the comparison with all-central."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tidegate.domain.record import Record
from tidegate.ports.records import Total
from tidegate.statistics.quantiles import nearest_rank

_FIRST_ERROR_STATUS = 400
_NONE = "-"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the requests cost, and what they would have cost had all gone to the farthest tier.

    Only requests whose central price is known are in both sums; the rest is `not_compared`.
    """

    requests: int
    not_compared: int
    cost_micro_usd: int
    central_cost_micro_usd: int
    is_estimated: bool

    @property
    def saved_share(self) -> float | None:
        """The saved fraction of the central cost; None when that is 0."""
        if self.central_cost_micro_usd == 0:
            return None
        return 1.0 - self.cost_micro_usd / self.central_cost_micro_usd


def totals(records: Iterable[Record], by: Callable[[Record], str | None]) -> tuple[Total, ...]:
    """Sum by group, largest first; a record whose group is None counts under `-`."""
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[by(record) or _NONE].append(record)
    found = [_total(name, members) for name, members in groups.items()]
    return tuple(sorted(found, key=lambda total: (-total.requests, total.group)))


def against_central(records: Iterable[Record]) -> Comparison:
    """Compare with sending everything to the farthest tier."""
    requests = not_compared = spent = central = 0
    is_estimated = False
    for record in records:
        if record.central_cost_micro_usd is None:
            not_compared += 1
            continue
        requests += 1
        spent += record.cost_micro_usd
        central += record.central_cost_micro_usd
        is_estimated = is_estimated or _is_estimated(record)
    return Comparison(requests, not_compared, spent, central, is_estimated=is_estimated)


def _total(name: str, members: Sequence[Record]) -> Total:
    durations = sorted(record.duration_s for record in members)
    return Total(
        group=name,
        requests=len(members),
        failed=sum(_has_failed(record) for record in members),
        input_tokens=sum(record.input_tokens for record in members),
        output_tokens=sum(record.output_tokens for record in members),
        cost_micro_usd=sum(record.cost_micro_usd for record in members),
        estimated=sum(_is_estimated(record) for record in members),
        p50_s=nearest_rank(durations, 50),
        p99_s=nearest_rank(durations, 99),
    )


def _has_failed(record: Record) -> bool:
    """Tell whether the client got no answer, or only the beginning of one."""
    return record.status >= _FIRST_ERROR_STATUS or record.error is not None


def _is_estimated(record: Record) -> bool:
    return record.usage_is_estimated or record.cost_is_estimated
