"""From cells to metric families: which of a cell's values each metric shows, by which labels."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from tidegate.domain.metric import Family, Point
from tidegate.telemetry import tally as at
from tidegate.telemetry.conventions import (
    CLIENT_DURATION,
    CLIENT_FIRST_CHUNK,
    CLIENT_TOKENS,
    ERROR_TYPE,
    NODE_PROVIDER,
    OPERATION_NAME,
    PROVIDER_NAME,
    REQUEST_MODEL,
    SERVER_DURATION,
    SERVER_FIRST_TOKEN,
    SERVER_PER_TOKEN,
    TOKEN_TYPE,
    Instrument,
    operation,
    prometheus_label,
    prometheus_name,
)
from tidegate.telemetry.tally import AttemptKey, Cell, RequestKey, Tally

Key = TypeVar("Key")
Labels = tuple[str, ...]
Rows = Iterable[tuple[Labels, Cell]]

CLIENT_LEFT = "client_left"

_GEN_AI = tuple(prometheus_label(name) for name in (OPERATION_NAME, PROVIDER_NAME, REQUEST_MODEL))
_MICRO = 1e6


def families(tally: Tally) -> list[Family]:
    """Give all families of a process's requests."""
    return [
        *_of_requests(tally.requests),
        *_of_attempts(tally.attempts),
        _counter(
            "tidegate_questions",
            "Questions of decisions requests, by who answered.",
            ("task", "source"),
            [
                ((task or "none", source), count)
                for (task, source), count in tally.questions.items()
            ],
        ),
        _counter(
            "tidegate_refused_requests",
            "Requests refused before they were decoded, by HTTP status.",
            ("status",),
            [((str(status),), count) for status, count in tally.refused.items()],
        ),
        *_of_conventions(tally),
    ]


def _of_requests(cells: Mapping[RequestKey, Cell]) -> list[Family]:
    by_source = _rows(cells, lambda key: (key[0], key[3] or "none"))
    by_surface = _rows(cells, lambda key: (key[0],))
    return [
        _counter(
            "tidegate_requests",
            "Requests that were decoded, by who answered and how it ended.",
            ("surface", "source", "tier", "outcome"),
            _column(_rows(cells, _by_outcome), at.COUNT),
        ),
        _histogram(
            "tidegate_request_duration_seconds",
            "From the first byte of the request to the last of the answer.",
            ("surface", "source"),
            at.DURATION_BOUNDS,
            _buckets(by_source, at.DURATION_S, at.DURATION, len(at.DURATION_BOUNDS)),
        ),
        _histogram(
            "tidegate_overhead_seconds",
            "Part of the duration that was not spent waiting for an engine or an upstream.",
            ("surface",),
            at.OVERHEAD_BOUNDS,
            _buckets(by_surface, at.OVERHEAD_S, at.OVERHEAD, len(at.OVERHEAD_BOUNDS)),
        ),
        Family(
            "tidegate_phase_seconds",
            "summary",
            "Where the time went; a phase that did not happen is not counted.",
            ("surface", "phase"),
            _phases(by_surface),
        ),
        _counter(
            "tidegate_cache_lookups",
            "Requests by what the cache did.",
            ("surface", "state"),
            _column(_rows(cells, lambda key: (key[0], key[5])), at.COUNT),
        ),
        _counter(
            "tidegate_tokens",
            "Tokens that requests used, failed attempts among them, by who answered in the end.",
            ("surface", "source", "direction"),
            [
                (((*labels, direction)), value)
                for direction, place in (("input", at.INPUT_TOKENS), ("output", at.OUTPUT_TOKENS))
                for labels, value in _column(by_source, place)
            ],
        ),
        _counter(
            "tidegate_cost_usd",
            "Cost of answers; `estimated` when a price or a usage was not known.",
            ("estimated",),
            [
                ((estimated,), sum(cell[place] for cell in cells.values()) / _MICRO)
                for estimated, place in (("false", at.COST), ("true", at.COST_ESTIMATED))
            ],
        ),
        _counter(
            "tidegate_central_cost_usd",
            "What the farthest tier of each route would have cost, where its price is known.",
            (),
            [((), sum(cell[at.COST_AT_CENTRE] for cell in cells.values()) / _MICRO)],
        ),
    ]


def _of_attempts(cells: Mapping[AttemptKey, Cell]) -> list[Family]:
    return [
        _counter(
            "tidegate_upstream_attempts",
            "Calls of upstreams, by upstream and outcome.",
            ("upstream", "outcome"),
            _column(_rows(cells, lambda key: (key[3], key[5])), at.CALLS),
        ),
        _counter(
            "tidegate_upstream_tokens",
            "Tokens that calls of upstreams used, each under the upstream and model of its call.",
            ("upstream", "model", "direction"),
            [
                ((*labels, direction), value)
                for direction, place in (("input", at.USED_IN), ("output", at.USED_OUT))
                for labels, value in _column(_rows(cells, lambda key: (key[3], key[4])), place)
            ],
        ),
    ]


def _of_conventions(tally: Tally) -> list[Family]:
    calls = _rows(tally.attempts, _called)
    failed_apart = _rows(tally.attempts, _called_with_error)
    served = _rows(tally.requests, _served)
    error = prometheus_label(ERROR_TYPE)
    duration = _buckets(
        _rows(tally.requests, _served_with_error),
        at.DURATION_S,
        at.DURATION,
        len(at.DURATION_BOUNDS),
    )
    return [
        _instrument(
            CLIENT_DURATION, (error,), _of(failed_apart, at.CALL_S, at.CALL, CLIENT_DURATION)
        ),
        _instrument(CLIENT_FIRST_CHUNK, (), _of(calls, at.CHUNK_S, at.CHUNK, CLIENT_FIRST_CHUNK)),
        _instrument(
            CLIENT_TOKENS,
            (prometheus_label(TOKEN_TYPE),),
            [
                Point((*point.labels, direction), point.value, point.counts)
                for direction, total, start in (
                    ("input", at.TOKENS_IN, at.TOKEN_IN),
                    ("output", at.TOKENS_OUT, at.TOKEN_OUT),
                )
                for point in _of(calls, total, start, CLIENT_TOKENS)
            ],
        ),
        _instrument(
            SERVER_DURATION,
            (error,),
            [
                Point(
                    point.labels,
                    point.value,
                    coarser(point.counts, at.DURATION_BOUNDS, SERVER_DURATION.bounds),
                )
                for point in duration
            ],
        ),
        _instrument(
            SERVER_FIRST_TOKEN,
            (),
            _of(served, at.FIRST_TOKEN_S, at.FIRST_TOKEN, SERVER_FIRST_TOKEN),
        ),
        _instrument(
            SERVER_PER_TOKEN, (), _of(served, at.PER_TOKEN_S, at.PER_TOKEN, SERVER_PER_TOKEN)
        ),
    ]


def coarser(
    counts: Sequence[float], bounds: Sequence[float], wanted: Sequence[float]
) -> tuple[float, ...]:
    """Put the counts of fine buckets into coarser ones, whose bounds are among the fine."""
    running = [0.0, *accumulate(counts)]
    ends = [running[bisect_right(bounds, bound)] for bound in wanted]
    starts = [0.0, *ends]
    return tuple(end - start for start, end in zip(starts, [*ends, running[-1]], strict=True))


def _rows(cells: Mapping[Key, Cell], labels: Callable[[Key], Labels]) -> list[tuple[Labels, Cell]]:
    """Add up the cells that have the same labels."""
    rows: dict[Labels, Cell] = {}
    for key, cell in cells.items():
        name = labels(key)
        known = rows.get(name)
        rows[name] = cell if known is None else [a + b for a, b in zip(known, cell, strict=True)]
    return list(rows.items())


def _column(rows: Rows, place: int) -> list[tuple[Labels, float]]:
    return [(labels, cell[place]) for labels, cell in rows]


def _buckets(rows: Rows, total: int, start: int, bounds: int) -> list[Point]:
    """Give the histograms of rows; one without an observation is left out."""
    points = [
        Point(labels, cell[total], tuple(cell[start : start + bounds + 1])) for labels, cell in rows
    ]
    return [point for point in points if any(point.counts)]


def _of(rows: Rows, total: int, start: int, instrument: Instrument) -> list[Point]:
    return _buckets(rows, total, start, len(instrument.bounds))


def _phases(rows: Rows) -> list[Point]:
    return [
        Point((*labels, phase), cell[at.PHASE_S + place], (cell[at.PHASE_COUNT + place],))
        for labels, cell in rows
        for place, phase in enumerate(at.PHASES)
        if cell[at.PHASE_COUNT + place]
    ]


def _counter(
    name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]
) -> Family:
    return Family(name, "counter", text, labels, [Point(one, value) for one, value in values])


def _histogram(
    name: str, text: str, labels: Labels, bounds: tuple[float, ...], points: Sequence[Point]
) -> Family:
    return Family(name, "histogram", text, labels, points, bounds)


def _instrument(instrument: Instrument, more: Labels, points: Sequence[Point]) -> Family:
    return _histogram(
        prometheus_name(instrument), instrument.text, (*_GEN_AI, *more), instrument.bounds, points
    )


def _by_outcome(key: RequestKey) -> Labels:
    return key[0], key[3] or "none", key[4] or "none", _outcome(key)


def _outcome(key: RequestKey) -> str:
    """Sort the end of a request into a closed set."""
    status, abort_phase, error = key[6:]
    if abort_phase is not None:
        return CLIENT_LEFT
    if error is None and status < 500:  # noqa: PLR2004
        return "ok"
    return "client_error" if status < 500 and status != 200 else "failed"  # noqa: PLR2004


def _served(key: RequestKey) -> Labels:
    return operation(key[0], key[1]), NODE_PROVIDER, key[2]


def _served_with_error(key: RequestKey) -> Labels:
    status, abort_phase, error = key[6:]
    told = CLIENT_LEFT if abort_phase is not None else error
    if told is None and status >= 500:  # noqa: PLR2004
        told = str(status)
    return (*_served(key), told or "")


def _called(key: AttemptKey) -> Labels:
    return operation(key[0], key[1]), key[2], key[4]


def _called_with_error(key: AttemptKey) -> Labels:
    return (*_called(key), "" if key[5] == "ok" else key[5])
