"""What passing through the gateway costs a request, beside other gateways.

A closed loop sends a chat request of about 300 bytes to a canned upstream: directly, through
Tidegate and, with `--peers`, through other gateways, in interleaved rounds of one run. Tidegate
runs as installed: one worker, API key, routing, metrics, journal and ledger on, cache off; once
more with two workers, and once more with traces on as their settings are by default.

- `added_p50_ms`, `added_p99_ms`: latency at one client, less that of the direct way in the same
  round.
- `rps_32`: answers a second at 32 clients. `cpu_s_per_1k`: CPU seconds of all its processes for
  1,000 of them. `rss_mb`: resident memory of all its processes after the load.
- `stream_gap_added_ms`, `stream_gap_added_p99_ms`: median and 99th percentile of the time between
  two events of a stream (40 events, one each 5 ms), less the direct way's.
  `stream_event_added_ms`: median time of one event from the upstream's write to the client's read,
  less the direct way's. `stream_first_added_ms`: the same from the request to the first event.
- `rps_32_workers2`: `rps_32` with two workers. On two cores they share them with the load.
- `traced_added_p50_ms`, `traced_rps_32`: as above, with traces on; the collector is the canned
  upstream. `traced_vs_untraced_rps`: the one over the other.
- `vs_litellm_rps`, `vs_portkey_rps`, `vs_tensorzero_rps`: our `rps_32` over theirs.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.goals import Goal
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured, Row, rounded
from benchmarks.harness.rounds import Figure, added, exactly, over_rounds, times, turns
from benchmarks.harness.run import Benchmark, main
from benchmarks.load.sample import FULL, QUICK, Sample, Tool, Windows, take, warm_up
from benchmarks.servers.line_up import (
    DIRECT,
    NODE,
    PEERS,
    TRACED,
    TWO_WORKERS,
    LineUp,
    add_peers,
    assemble,
)

GOALS = (
    Goal("added_p50_ms", "<=", 0.60, "issue 2"),
    Goal("traced_added_p50_ms", "<=", 0.60, "issue 3"),
    Goal("rss_mb", "<=", 180, "issue 2"),
    Goal("vs_litellm_rps", ">=", 30, "issue 2"),
    Goal("vs_portkey_rps", ">=", 3, "issue 2"),
    Goal("vs_tensorzero_rps", ">=", 0.5, "issue 2"),
)
ROUNDS = 7
QUICK_ROUNDS = 5

Samples = Mapping[str, Sequence[Sample]]


def measure(options: Options, progress: Progress) -> Measured:
    """Run all rounds and put the figures together."""
    rounds, windows = (QUICK_ROUNDS, QUICK) if options.quick else (ROUNDS, FULL)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overhead-")))
        progress.expect(len(PEERS) + 4 if options.peers else 4)
        line_up = assemble(stack, folder, progress)
        if options.peers:
            add_peers(line_up, stack, folder, options.cache, progress)
        progress.expect(len(line_up.served) * (rounds + 1))
        contest = Contest(line_up, windows, folder)
        for name in list(line_up.served):
            progress.step(f"warm up: {name}")
            contest.warm_up(name)
        for names in turns(list(line_up.served), rounds=rounds, seed=options.seed):
            for name in names:
                progress.step(f"measure: {name}")
                contest.turn(name)
        rss_mb = {name: served.process.rss_mb() for name, served in line_up.served.items()}
    notes = [*line_up.notes, *_notes(contest.tools, rounds)]
    return summarise(contest.samples, rss_mb, failed=line_up.failed, notes=notes)


@dataclass(slots=True)
class Contest:
    """Turns taken so far. A server that fails is dropped, unless nothing can be said without it."""

    line_up: LineUp
    windows: Windows
    folder: Path
    tools: dict[str, Tool] = field(default_factory=dict)
    """What loads each server."""
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def warm_up(self, name: str) -> None:
        """Load `name` once without counting."""
        with self._dropping(name):
            self.tools[name] = warm_up(self.line_up.served[name], self.windows)
            self.samples[name] = []

    def turn(self, name: str) -> None:
        """Take a sample of `name`, where it still takes part."""
        served = self.line_up.served.get(name)
        if served is None:
            return
        with self._dropping(name):
            tool = self.tools[name]
            sample = take(served, self.windows, tool=tool, folder=self.folder)
            self.samples[name].append(sample)

    @contextmanager
    def _dropping(self, name: str) -> Iterator[None]:
        try:
            try:
                yield
            except BenchmarkError as error:
                # That a server has ended says more than that its connection broke.
                self.line_up.served[name].process.check_alive()
                raise BenchmarkError(f"{name}: {error}") from error
        except BenchmarkError as error:
            if name in (DIRECT, NODE):
                raise
            self.line_up.drop(name, error)
            self.samples.pop(name, None)


def summarise(
    samples: Samples,
    rss_mb: Mapping[str, float],
    *,
    failed: Mapping[str, str],
    notes: Sequence[str],
) -> Measured:
    """Figures of the node, with a row for each of the others and for what failed."""
    ours = [sample.rps for sample in samples[NODE]]
    figures = _figures(samples[NODE], samples[DIRECT], rss_mb[NODE])
    if TWO_WORKERS in samples:
        both = [sample.rps for sample in samples[TWO_WORKERS]]
        figures["rps_32_workers2"] = over_rounds(both)
    if TRACED in samples:
        figures |= _traced_figures(samples[TRACED], samples[DIRECT], ours)
    figures |= {
        peer.figure: times(ours, [sample.rps for sample in samples[peer.name]])
        for peer in PEERS
        if peer.name in samples
    }
    others = {
        name: _row(_figures(taken, samples[DIRECT], rss_mb[name]))
        for name, taken in samples.items()
        if name not in (NODE, DIRECT)
    }
    errors: dict[str, Row] = {name: {"error": error} for name, error in failed.items()}
    return Measured(figures, {DIRECT: _direct_row(samples[DIRECT]), **others, **errors}, notes)


def _figures(taken: Sequence[Sample], direct: Sequence[Sample], rss_mb: float) -> dict[str, Figure]:
    def extra(figure: Callable[[Sample], float]) -> Figure:
        return added([figure(one) for one in taken], [figure(one) for one in direct])

    return {
        "added_p50_ms": extra(lambda sample: sample.p50_ms),
        "added_p99_ms": extra(lambda sample: sample.p99_ms),
        "rps_32": over_rounds([sample.rps for sample in taken]),
        "cpu_s_per_1k": over_rounds([sample.cpu_s_per_1k for sample in taken]),
        "rss_mb": exactly(rss_mb),
        "stream_gap_added_ms": extra(lambda sample: sample.stream.gap_p50_ms),
        "stream_gap_added_p99_ms": extra(lambda sample: sample.stream.gap_p99_ms),
        "stream_event_added_ms": extra(lambda sample: sample.stream.way_p50_ms),
        "stream_first_added_ms": extra(lambda sample: sample.stream.first_p50_ms),
    }


def _traced_figures(
    traced: Sequence[Sample], direct: Sequence[Sample], untraced_rps: Sequence[float]
) -> dict[str, Figure]:
    rps = [sample.rps for sample in traced]
    return {
        "traced_added_p50_ms": added(
            [sample.p50_ms for sample in traced], [sample.p50_ms for sample in direct]
        ),
        "traced_rps_32": over_rounds(rps),
        "traced_vs_untraced_rps": times(rps, untraced_rps),
    }


def _direct_row(direct: Sequence[Sample]) -> Row:
    return _row(
        {
            "p50_ms": over_rounds([sample.p50_ms for sample in direct]),
            "p99_ms": over_rounds([sample.p99_ms for sample in direct]),
            "rps_32": over_rounds([sample.rps for sample in direct]),
            "cpu_s_per_1k": over_rounds([sample.cpu_s_per_1k for sample in direct]),
        }
    )


def _row(figures: Mapping[str, Figure]) -> Row:
    return {name: rounded(figure.value) for name, figure in figures.items()}


def _notes(tools: Mapping[str, Tool], rounds: int) -> list[str]:
    by_wrk = [name for name, tool in tools.items() if tool == "wrk"]
    by_sockets = [name for name, tool in tools.items() if tool == "sockets"]
    if not by_wrk:
        load = "raw sockets in Python, one thread, as wrk is missing"
    elif by_sockets:
        load = f"wrk, one thread; for {', '.join(by_sockets)} (an answer takes over a twentieth of "
        load += "the window) raw sockets in Python, which await what is in flight at its end"
    else:
        load = "wrk, one thread"
    return [
        f"load of whole answers: {load}",
        "load of streams: raw sockets in Python, one stream at a time, from an upstream in Python",
        f"figures are medians of {rounds} interleaved rounds, spreads the smallest and largest",
    ]


if __name__ == "__main__":
    main(Benchmark("overhead", __doc__, GOALS, measure))
