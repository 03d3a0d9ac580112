"""What static embeddings answer before the encoder looks, and what that costs in accuracy.

Heads on both, fitted on the same rows as `tidegate train` does it. The pair is one predictor: a row
whose static confidence reaches the threshold gets the static head's answer. Each row is answered
by heads, calibrations and a threshold that were made without its fold; with test files, by those
made on all other rows. Rows in scope alone are counted.

- `clinc150_encoder_accuracy`, `clinc150_static_accuracy`, `clinc150_pair_accuracy`.
- `clinc150_static_gap`: how far the static head alone is below the encoder's.
- `clinc150_pair_accuracy_gap`: how far the pair is below the encoder alone.
- `clinc150_static_share`: of rows that stop at the static embeddings.
- `clinc150_static_error`: of those, wrong ones.

The same of BANKING77.
"""

from collections.abc import Mapping

import numpy as np

from benchmarks.harness.goals import Goal
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured
from benchmarks.harness.rounds import Figure, exactly
from benchmarks.harness.run import Benchmark, main
from benchmarks.heads.cascade import Judgement, judge
from benchmarks.heads.intents import SETS
from benchmarks.heads.quality import Bench
from tidegate.node.static_training import open_static
from tidegate.node.training import bundled_encoder

GOALS = (
    Goal("clinc150_static_gap", "<=", 0.04, "issue 4"),
    Goal("clinc150_pair_accuracy_gap", "<=", 0.005, "issue 4"),
    Goal("clinc150_static_share", ">=", 0.60, "issue 4"),
)
STEPS = 3


def measure(options: Options, progress: Progress) -> Measured:
    """Measure both sets."""
    progress.expect(len(SETS) * STEPS)
    figures: dict[str, Figure] = {}
    notes: list[str] = []
    encoder, table = bundled_encoder(threads=1), open_static()
    try:
        bench = Bench(
            encoder,
            options.cache / "heads",
            options.data,
            options.test_data,
            options.seed,
            progress,
        )
        for intents in SETS:
            found = judge(bench, intents, table)
            figures |= _figures(intents.name, found)
            notes.append(found.note)
    finally:
        encoder.close()
    return Measured(figures, notes=notes)


def _figures(name: str, found: Judgement) -> Mapping[str, Figure]:
    encoder, static = found.encoder_right.mean(), found.static_right.mean()
    stops = found.stops
    pair = np.where(stops, found.static_right, found.encoder_right).mean()
    wrong = 1.0 - found.static_right[stops].mean() if stops.any() else 0.0
    values = {
        "encoder_accuracy": encoder,
        "static_accuracy": static,
        "pair_accuracy": pair,
        "static_gap": encoder - static,
        "pair_accuracy_gap": encoder - pair,
        "static_share": stops.mean(),
        "static_error": wrong,
    }
    return {f"{name}_{key}": exactly(float(value)) for key, value in values.items()}


BENCHMARK = Benchmark("cascade", __doc__ or "", GOALS, measure)

if __name__ == "__main__":
    main(BENCHMARK)
