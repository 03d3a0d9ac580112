"""Counts finished requests. What the counts mean as metrics is `telemetry/families.py`'s."""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from tidegate.domain.metric import Family, Kind, Point, Together
from tidegate.domain.plan import Attempt
from tidegate.domain.record import Record
from tidegate.telemetry import tally as at
from tidegate.telemetry.conventions import (
    CLIENT_DURATION,
    CLIENT_FIRST_CHUNK,
    CLIENT_TOKENS,
    SERVER_FIRST_TOKEN,
    SERVER_PER_TOKEN,
)
from tidegate.telemetry.families import families
from tidegate.telemetry.tally import OTHER, Cell, Known, RequestKey, Tally

Labelled = tuple[tuple[str, ...], float]


class Histogram:
    """A histogram of its own, for what is not a request; call it with each value."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...]) -> None:
        self._family = Family(name, "histogram", text, (), (), bounds)
        self._counts = [0.0] * (len(bounds) + 1)
        self._sum = 0.0

    def __call__(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._family.bounds, value)] += 1
        self._sum += value

    def family(self) -> Family:
        """Give what was counted so far."""
        family = self._family
        point = Point((), self._sum, tuple(self._counts))
        return Family(family.name, family.kind, family.text, (), [point], family.bounds)


class Meter:
    """The counts of one process: written by the event loop alone, read when somebody scrapes."""

    def __init__(self) -> None:
        """Nothing is counted yet, and no name is known."""
        self._tally = Tally()
        self._known = Known()
        self._histograms: list[Histogram] = []
        self._read: list[Callable[[], Family]] = []

    def know(self, known: Known) -> None:
        """Use the names of another configuration from here on."""
        self._known = known

    def observe(self, record: Record) -> None:
        """Count one finished request."""
        model = record.model_asked
        key: RequestKey = (
            record.surface,
            record.dialect,
            model if model in self._known.models else OTHER,
            record.source,
            record.tier,
            record.cache,
            record.status,
            record.abort_phase,
            record.error,
        )
        cell = self._tally.requests.get(key) or self._new_cell(key)
        _add(cell, record)
        if record.attempts:
            self._count_attempts(record, cell)
        if record.questions:
            self._count_questions(record)

    def refused(self, status: int) -> None:
        """Count a request that was refused before it was decoded."""
        refused = self._tally.refused
        refused[status] = refused.get(status, 0) + 1

    def gauge(
        self, name: str, text: str, read: Callable[[], float], *, together: Together = "sum"
    ) -> None:
        """Publish a value that is read at each scrape."""
        self._publish("gauge", name, text, read, together)

    def counter(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Publish a count that is kept elsewhere; the exposition adds `_total` to `name`."""
        self._publish("counter", name, text, read, "sum")

    def counters(
        self, name: str, text: str, label: str, read: Callable[[], Sequence[Labelled]]
    ) -> None:
        """Publish counts that are kept elsewhere, by one label from a closed set."""

        def family() -> Family:
            points = [Point(labels, value) for labels, value in read()]
            return Family(name, "counter", text, (label,), points)

        self._read.append(family)

    def info(self, name: str, text: str, **labels: str) -> None:
        """Publish what does not change, as labels of the number 1."""
        point = Point(tuple(labels.values()), 1.0)
        family = Family(name, "gauge", text, tuple(labels), [point], together="max")
        self._read.append(lambda: family)

    def histogram(self, name: str, text: str, bounds: tuple[float, ...]) -> Histogram:
        """Make a histogram of values that belong to no request."""
        made = Histogram(name, text, bounds)
        self._histograms.append(made)
        return made

    def families(self) -> list[Family]:
        """Give everything that was counted, as values of their own."""
        return [
            *families(self._tally),
            *(histogram.family() for histogram in self._histograms),
            *(read() for read in self._read),
        ]

    def _publish(
        self, kind: Kind, name: str, text: str, read: Callable[[], float], together: Together
    ) -> None:
        self._read.append(
            lambda: Family(name, kind, text, (), [Point((), float(read()))], together=together)
        )

    def _new_cell(self, key: RequestKey) -> Cell:
        requests = self._tally.requests
        if len(requests) >= at.MOST_CELLS:
            key = at.REST
        return requests.setdefault(key, [0.0] * at.REQUEST_CELL)

    def _count_attempts(self, record: Record, cell: Cell) -> None:
        for attempt in record.attempts:
            called = self._called(record, attempt)
            called[at.CALLS] += 1
            usage = attempt.usage
            if usage is not None:
                called[at.USED_IN] += usage.input_tokens
                called[at.USED_OUT] += usage.output_tokens
            if usage is not None and not usage.is_estimated:
                bounds = CLIENT_TOKENS.bounds
                _note(called, at.TOKENS_IN, at.TOKEN_IN, bounds, usage.input_tokens)
                _note(called, at.TOKENS_OUT, at.TOKEN_OUT, bounds, usage.output_tokens)
            if attempt is not record.attempts[-1] or record.phases.stream_s is None:
                _note(called, at.CALL_S, at.CALL, CLIENT_DURATION.bounds, attempt.duration_s)
                continue
            # A stream's attempt ends with its first token; the rest of it is a phase.
            whole_s = attempt.duration_s + record.phases.stream_s
            _note(called, at.CALL_S, at.CALL, CLIENT_DURATION.bounds, whole_s)
            _note(called, at.CHUNK_S, at.CHUNK, CLIENT_FIRST_CHUNK.bounds, attempt.duration_s)
            _add_stream(cell, record, attempt)

    def _called(self, record: Record, attempt: Attempt) -> Cell:
        known = self._known
        key: at.AttemptKey = (
            record.surface,
            record.dialect,
            known.providers.get(attempt.target, OTHER),
            attempt.target,
            attempt.model if attempt.model in known.models else OTHER,
            attempt.outcome,
        )
        attempts = self._tally.attempts
        cell = attempts.get(key)
        if cell is None:
            if len(attempts) >= at.MOST_CELLS:
                key = at.ATTEMPT_REST
            cell = attempts.setdefault(key, [0.0] * at.ATTEMPT_CELL)
        return cell

    def _count_questions(self, record: Record) -> None:
        questions = self._tally.questions
        for trace in record.questions:
            key = (trace.task, trace.source)
            questions[key] = questions.get(key, 0) + 1


def _add(cell: Cell, record: Record) -> None:
    cell[at.COUNT] += 1
    duration = record.duration_s
    cell[at.DURATION_S] += duration
    cell[at.DURATION + bisect_left(at.DURATION_BOUNDS, duration)] += 1
    overhead = record.overhead_s
    cell[at.OVERHEAD_S] += overhead
    cell[at.OVERHEAD + bisect_left(at.OVERHEAD_BOUNDS, overhead)] += 1
    cell[at.INPUT_TOKENS] += record.input_tokens
    cell[at.OUTPUT_TOKENS] += record.output_tokens
    cell[at.COST_ESTIMATED if record.cost_is_estimated else at.COST] += record.cost_micro_usd
    cell[at.COST_AT_CENTRE] += record.central_cost_micro_usd or 0
    place = at.PHASE_S
    for phase_s in at.phases_of(record.phases):
        if phase_s is not None:
            cell[place] += phase_s
            cell[place + len(at.PHASES)] += 1
        place += 1


def _add_stream(cell: Cell, record: Record, attempt: Attempt) -> None:
    """Add what only streams have: when the first token came, and how fast the others followed."""
    first_s = attempt.started_s + attempt.duration_s
    _note(cell, at.FIRST_TOKEN_S, at.FIRST_TOKEN, SERVER_FIRST_TOKEN.bounds, first_s)
    # Attempts before it that failed have tokens in the record too; they are none of its pace.
    usage = attempt.usage
    is_whole = record.error is None and record.abort_phase is None
    if is_whole and usage is not None and not usage.is_estimated and usage.output_tokens > 1:
        each_s = (record.phases.stream_s or 0.0) / (usage.output_tokens - 1)
        _note(cell, at.PER_TOKEN_S, at.PER_TOKEN, SERVER_PER_TOKEN.bounds, each_s)


def _note(cell: Cell, total: int, start: int, bounds: tuple[float, ...], value: float) -> None:
    cell[total] += value
    cell[start + bisect_left(bounds, value)] += 1
