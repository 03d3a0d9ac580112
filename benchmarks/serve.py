"""Decisions and embeddings answered here, by many clients at once, over HTTP on loopback.

One node on one core's worth of encoding (as many encoder threads as it has by default); a question
of 12 words and an embedding of the same text, cache off, at 1, 4, 16 and 64 clients in turn.

- `capacity_16_vs_1`: decisions a second with 16 clients over those with one.
- `p99_over_p50_16`: of decisions with 16 clients.
- `loop_lag_p99_ms`: how late the event loop woke up, 99th percentile over all of the load above and
  embeddings requests of 256 texts; read from the histogram in the node's metrics.
- `rss_growth_mb`: memory that the node gained between the first tenth and the end of a long run of
  decisions (100,000; 3,000 in a quick run).
- `decisions_rps_N`, `embeddings_rps_N`: answers a second with N clients.
"""

import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.goals import Goal
from benchmarks.harness.node import Node, running_node
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured
from benchmarks.harness.rounds import Figure, exactly, over_rounds, times, turns
from benchmarks.harness.run import Benchmark, main
from benchmarks.heads import over_http
from benchmarks.load import closed_loop
from benchmarks.load.endpoint import Endpoint
from benchmarks.load.outcome import Outcome
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.node.training import bundled_encoder

GOALS = (
    Goal("capacity_16_vs_1", ">=", 1.2, "issue 4"),
    Goal("p99_over_p50_16", "<=", 3, "issue 4"),
    Goal("loop_lag_p99_ms", "<=", 5, "issue 4"),
    Goal("rss_growth_mb", "<=", 5, "issue 4: flat"),
)
ROUNDS = 5
CLIENTS = (1, 4, 16, 64)
WINDOW_S = 4.0
QUICK_WINDOW_S = 0.35
LONG_RUN = 100_000
QUICK_LONG_RUN = 3_000
SLICE_S = 2.0
CROWD = 16
MANY_INPUTS = 256
EMBEDDER = "tidegate/all-minilm-l6-v2"
LAG = "tidegate_event_loop_lag_seconds"
STEPS = 4


def measure(options: Options, progress: Progress) -> Measured:
    """Train a small task, start the node, and load it."""
    progress.expect(STEPS)
    with tempfile.TemporaryDirectory(prefix="serve-") as name:
        folder = Path(name)
        progress.step("train the task that the node answers")
        encoder = bundled_encoder(threads=1)
        try:
            over_http.prepare(options, encoder, folder)
        finally:
            encoder.close()
        with running_node(folder, over_http.config()) as node:
            decisions = over_http.endpoint(node)
            over_http.check(decisions)
            return _measured(options, progress, node, folder, decisions)


def _measured(
    options: Options, progress: Progress, node: Node, folder: Path, decisions: Endpoint
) -> Measured:
    embeddings = _embeddings(node, over_http.TEXT)
    progress.step("decisions and embeddings at 1, 4, 16 and 64 clients")
    taken = _rounds({"decisions": decisions, "embeddings": embeddings}, options)
    progress.step(f"embeddings of {MANY_INPUTS} texts")
    texts = [f"{over_http.TEXT} {i}" for i in range(MANY_INPUTS)]
    closed_loop.load(_embeddings(node, texts), clients=2, seconds=_window_s(options)).checked()
    lag_ms = _lag_p99_ms(node, folder)
    wanted = QUICK_LONG_RUN if options.quick else LONG_RUN
    progress.step(f"{wanted:,} decisions")
    growth = _growth_mb(node, decisions, wanted)
    rates = {
        f"{surface}_rps_{clients}": over_rounds([one.rps for one in outcomes])
        for (surface, clients), outcomes in taken.items()
    }
    crowd, single = taken["decisions", CROWD], taken["decisions", 1]
    figures: dict[str, Figure] = {
        "capacity_16_vs_1": times([one.rps for one in crowd], [one.rps for one in single]),
        "p99_over_p50_16": over_rounds([one.p99_ms / one.p50_ms for one in crowd]),
        "loop_lag_p99_ms": exactly(lag_ms),
        "rss_growth_mb": exactly(growth),
        **rates,
    }
    notes = [
        f"{ROUNDS} rounds of {_window_s(options):g} s for each surface and number of clients",
        "all clients are raw sockets in one process of the same machine",
        "the lag's percentile is interpolated within its bucket",
    ]
    return Measured(figures, notes=notes)


def _rounds(
    endpoints: Mapping[str, Endpoint], options: Options
) -> dict[tuple[str, int], list[Outcome]]:
    taken: dict[tuple[str, int], list[Outcome]] = {
        (surface, clients): [] for surface in endpoints for clients in CLIENTS
    }
    places = {f"{surface} {clients}": (surface, clients) for surface, clients in taken}
    for order in turns(list(places), rounds=ROUNDS, seed=options.seed):
        for name in order:
            surface, clients = places[name]
            outcome = closed_loop.load(
                endpoints[surface], clients=clients, seconds=_window_s(options)
            )
            taken[surface, clients].append(outcome.checked())
    return taken


def _growth_mb(node: Node, endpoint: Endpoint, wanted: int) -> float:
    """Compare memory after a tenth of the requests with memory after all of them."""
    done, first_mb = 0, None
    while done < wanted:
        done += closed_loop.load(endpoint, clients=CROWD, seconds=SLICE_S).checked().requests
        if first_mb is None and done >= wanted // 10:
            first_mb = node.process.rss_mb()
    return node.process.rss_mb() - (first_mb or node.process.rss_mb())


def _lag_p99_ms(node: Node, folder: Path) -> float:
    """Read the 99th percentile off the histogram, interpolated within its bucket."""
    token = StatePaths(folder / "state").admin_token.read_text(encoding="utf-8").strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{node.admin_port}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    buckets = [
        (float(sample.labels["le"]), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"{LAG}_bucket"
    ]
    if not buckets:
        raise BenchmarkError(f"the node has no `{LAG}` among its metrics")
    return percentile(sorted(buckets), 0.99) * 1e3


def percentile(buckets: Sequence[tuple[float, float]], share: float) -> float:
    """Interpolate in a cumulative histogram; what lies beyond the last bound is that bound."""
    wanted = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and count > below:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    return lower


def _embeddings(node: Node, given: str | list[str]) -> Endpoint:
    body = msgspec.json.encode({"model": EMBEDDER, "input": given})
    headers = {"Authorization": f"Bearer {node.key}", "Cache-Control": "no-store"}
    return Endpoint(node.port, "/v1/embeddings", body, headers)


def _window_s(options: Options) -> float:
    return QUICK_WINDOW_S if options.quick else WINDOW_S


BENCHMARK = Benchmark("serve", __doc__ or "", GOALS, measure)

if __name__ == "__main__":
    main(BENCHMARK)
