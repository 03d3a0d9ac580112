"""What a decision costs that this node answers itself, and how good it is.

One question of 12 words to a node with one trained task, over HTTP on loopback; heads on the
encoder that ships, fitted as `tidegate train` does it.

- `http_p50_ms`, `http_p99_ms`: one client, keep-alive, cache off, request out to answer in.
- `encoder_ms`: the encoder's pass over the same text alone, in this process, before and after the
  rounds over HTTP: what the machine gave at that time, as it is most of `http_p50_ms`.
- `head_ms`: the head of 151 labels with its n-gram channel and calibration, beside the encoder.
- `clinc150_accuracy`, `banking77_accuracy`: share of rows in scope whose label is found, each row
  by a head that had not seen its fold.
- `*_ece`: expected calibration error over all rows, 15 equal-width bins; the calibration that a row
  is measured with was fitted on the other folds. `*_ece_null95`: what a perfectly calibrated model
  with the same confidences stays below in 95 % of draws. `*_ece_to_null95`: the one over the other.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.harness.goals import Goal
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured
from benchmarks.harness.rounds import Figure, exactly, over_rounds
from benchmarks.harness.run import Benchmark, main
from benchmarks.heads import over_http
from benchmarks.heads.intents import SETS
from benchmarks.heads.quality import Bench, quality
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder
from tidegate.domain.bundle import Calibration, Head, NgramChannel
from tidegate.domain.encoding import Encoding
from tidegate.node.training import bundled_encoder
from tidegate.statistics.ngrams import BUCKETS, SCHEME
from tidegate.tasks.scores import score

GOALS = (
    Goal("http_p50_ms", "<=", 3, "issue 2"),
    Goal("clinc150_accuracy", ">=", 0.93, "issue 2"),
    Goal("clinc150_ece_to_null95", "<=", 1, "issue 2"),
    Goal("banking77_accuracy", ">=", 0.90, "issue 2"),
    Goal("banking77_ece_to_null95", "<=", 1, "issue 2"),
)
ROUNDS = 7
QUICK_ROUNDS = 5
HEAD_RUNS = 500
PASSES = 100
BUSY_LABELS = 151
"""Of the head that is timed: that of CLINC150."""


def measure(options: Options, progress: Progress) -> Measured:
    """Measure quality, then the head alone, then the node."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    steps_a_set = 2 if options.test_data is None else 3
    progress.expect(len(SETS) * steps_a_set + 1 + over_http.STEPS)
    encoder = bundled_encoder(threads=1)
    try:
        bench = Bench(
            encoder,
            options.cache / "heads",
            options.data,
            options.test_data,
            options.seed,
            progress,
        )
        found = {intents.name: quality(bench, intents) for intents in SETS}
        progress.step("time the head")
        head_ms = time_head(encoder.dimensions, rounds, options.seed)
        before = [time_pass(encoder) for _ in range(rounds)]
        served = over_http.measure(options, encoder, progress, rounds=rounds)
        after = [time_pass(encoder) for _ in range(rounds)]
    finally:
        encoder.close()
    figures: dict[str, Figure] = {
        **served.figures,
        "encoder_ms": over_rounds([*before, *after]),
        "head_ms": head_ms,
    }
    for name, one in found.items():
        figures |= {
            f"{name}_accuracy": exactly(one.accuracy),
            f"{name}_ece": exactly(one.ece),
            f"{name}_ece_null95": exactly(one.ece_null95),
            f"{name}_ece_to_null95": exactly(one.ece / one.ece_null95),
        }
    return Measured(figures, notes=[*(one.note for one in found.values()), *served.notes])


def time_pass(encoder: OnnxEncoder) -> float:
    """Milliseconds of the encoder alone, as median over runs."""
    return _median_ms(lambda: encoder.encode_here(over_http.TEXT), PASSES)


def time_head(dimensions: int, rounds: int, seed: int) -> Figure:
    """Milliseconds of one head with its calibration, as median over rounds of medians."""
    generator = np.random.default_rng(seed)
    head = Head(
        labels=tuple(f"label {i}" for i in range(BUSY_LABELS)),
        weights=generator.normal(size=(BUSY_LABELS, dimensions)).astype(np.float32),
        bias=np.zeros(BUSY_LABELS, dtype=np.float32),
        calibration=Calibration(temperature=0.6, slope=0.1),
        ngrams=NgramChannel(SCHEME, generator.normal(size=(BUCKETS, BUSY_LABELS)).astype("f4")),
    )
    encoding = Encoding(generator.normal(size=dimensions).astype(np.float32), 14, False)
    return over_rounds(
        [
            _median_ms(lambda: score(head, over_http.TEXT, encoding), HEAD_RUNS)
            for _ in range(rounds)
        ]
    )


def _median_ms(act: Callable[[], object], runs: int) -> float:
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


BENCHMARK = Benchmark("decide", __doc__ or "", GOALS, measure)

if __name__ == "__main__":
    main(BENCHMARK)
