"""What encoding a text costs here and elsewhere, and what eight bits lose.

The same weights everywhere (all-MiniLM-L6-v2), the same texts of CLINC150, one text at a time, one
thread, each engine in a process of its own; rounds interleaved. Ratios are of the median time of a
text, theirs over ours.

- `vs_sentence_transformers_b1`, `vs_infinity_b1`, `vs_fastembed_b1`: our int8 against them, who
  calculate in float32. `vs_fastembed_fp32`: the same graph in float32 on both sides.
  `vs_fastembed_fp32_here`: once more, ours called in the thread that asks, as fastembed is, without
  the queue and the thread that keep a node's event loop free.
- `int8_vs_fp32`: our own float32 over our own int8.
- `heads_overhead_pct`: what token states, four pooled heads (151, 77, 20 and 2 labels, each with
  its n-gram channel) and one head of nine labels on every token add to the encoder.
- `static_us`: one text to a static vector. `static_vs_encoder`: the encoder over that.
- `cosine_to_fp32`: mean cosine of int8 vectors to float32 ones. `top1_agreement`: share of texts
  whose nearest other text is the same.
- `batch_independence_max_dev`: largest change of a component of a vector when a text is encoded
  among others, at random, several at the same time, instead of alone.
- `int8_loss_clinc150`, `int8_loss_banking77`: accuracy of heads on float32 vectors less that of
  heads on int8 ones, out-of-fold, the same rows and folds.
- `threads_2_vs_1`, `processes_2_vs_1`: texts a second of two threads over one session, and of two
  processes, over those of one thread.
"""

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.encoding import agreement, capacity, heads
from benchmarks.encoding.engines import (
    OURS,
    OURS_HERE,
    PEERS,
    Running,
    Turn,
    float32_folder,
    int8_folder,
    model_for,
    own_python,
    peer_python,
    running,
)
from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.goals import Goal
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured, Row
from benchmarks.harness.rounds import Figure, over_rounds, times, turns
from benchmarks.harness.run import Benchmark, main
from benchmarks.heads.intents import read
from tidegate.errors import EncoderUnusable

GOALS = (
    Goal("vs_sentence_transformers_b1", ">=", 4, "issue 4"),
    Goal("vs_fastembed_b1", ">=", 1.8, "issue 4"),
    Goal("vs_fastembed_fp32", ">=", 1.0, "issue 4"),
    Goal("vs_infinity_b1", ">=", 3, "issue 4"),
    Goal("heads_overhead_pct", "<=", 3, "issue 4"),
    Goal("static_us", "<=", 60, "issue 4"),
    Goal("static_vs_encoder", ">=", 40, "issue 4"),
    Goal("batch_independence_max_dev", "<=", 1e-5, "issue 4"),
    Goal("int8_loss_clinc150", "<=", 0.01, "issue 4"),
    Goal("int8_loss_banking77", "<=", 0.01, "issue 4"),
)
ROUNDS = 7
QUICK_ROUNDS = 5
TEXTS = 60
QUICK_TEXTS = 12
MOST_TEXTS = 1200
FLOAT32 = "tidegate float32"
FLOAT32_HERE = "tidegate float32, no queue"
RATIOS = {
    "sentence-transformers": "vs_sentence_transformers_b1",
    "infinity-emb": "vs_infinity_b1",
    "fastembed": "vs_fastembed_b1",
}


def measure(options: Options, progress: Progress) -> Measured:
    """Compare engines, then look at our own."""
    progress.expect(3 + agreement.STEPS + capacity.STEPS + heads.STEPS)
    rows = read(options.data, "clinc150", ("train",))
    texts = [row.text for row in rows[:: max(1, len(rows) // MOST_TEXTS)]][:MOST_TEXTS]
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    progress.step("build the encoder in float32")
    try:
        float32_folder(options.cache)
    except EncoderUnusable as error:
        raise BenchmarkError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="encode-") as name, ExitStack() as stack:
        file = Path(name, "texts.json")
        file.write_text(json.dumps(texts), encoding="utf-8")
        progress.step("start the engines")
        failed: dict[str, Row] = {}
        engines = _started(stack, options, file, failed, progress)
        progress.step(f"encode in turn, {rounds} rounds of {', '.join(engines)}")
        taken = _rounds(engines, options, rounds=rounds)
        figures = _ratios(taken)
        figures |= capacity.measure(options, file, progress, rounds=rounds)
    figures |= heads.measure(options, texts, progress, rounds=rounds)
    found = agreement.measure(options, texts, progress)
    peers = failed | {
        name: {"median_ms": over_rounds(_medians(one)).value, "cpu_ms": _cpu_ms(one, options)}
        for name, one in taken.items()
        if name != OURS
    }
    notes = [f"{len(texts)} texts of CLINC150, {_count(options)} a round and engine", *found.notes]
    return Measured({**figures, **found.figures}, peers, notes)


def _started(
    stack: ExitStack, options: Options, texts: Path, failed: dict[str, Row], progress: Progress
) -> dict[str, Running]:
    """Start ours, and the peers that will; one that will not is named with its error."""
    float32 = float32_folder(options.cache)
    own = {
        OURS: (OURS, int8_folder()),
        FLOAT32: (OURS, float32),
        FLOAT32_HERE: (OURS_HERE, float32),
    }
    engines = {
        name: stack.enter_context(running(name, own_python(), engine, folder, texts))
        for name, (engine, folder) in own.items()
    }
    for peer in PEERS if options.peers else ():
        try:
            python, model = peer_python(peer, options.cache), model_for(peer, options.cache)
            engines[peer.name] = stack.enter_context(
                running(peer.name, python, peer.engine, model, texts)
            )
        except BenchmarkError as error:
            progress.say(f"  {peer.name} gives no figures: {error}")
            failed[peer.name] = {"error": str(error)}
    return engines


def _rounds(
    engines: Mapping[str, Running], options: Options, *, rounds: int
) -> dict[str, list[Turn]]:
    count = _count(options)
    taken: dict[str, list[Turn]] = {name: [] for name in engines}
    for engine in engines.values():
        engine.take(first=0, count=count)
    for number, order in enumerate(turns(list(engines), rounds=rounds, seed=options.seed)):
        for name in order:
            taken[name].append(engines[name].take(first=number * count, count=count))
    return taken


def _ratios(taken: Mapping[str, list[Turn]]) -> dict[str, Figure]:
    ours, float32 = _medians(taken[OURS]), _medians(taken[FLOAT32])
    figures = {"b1_ms": over_rounds(ours), "int8_vs_fp32": times(float32, ours)}
    for name, one in taken.items():
        package = name.partition(" ")[0]
        if package in RATIOS:
            figures[RATIOS[package]] = times(_medians(one), ours)
        if package == "fastembed":
            figures["vs_fastembed_fp32"] = times(_medians(one), float32)
            figures["vs_fastembed_fp32_here"] = times(_medians(one), _medians(taken[FLOAT32_HERE]))
    return figures


def _medians(taken: list[Turn]) -> list[float]:
    return [turn.median_ms for turn in taken]


def _cpu_ms(taken: list[Turn], options: Options) -> float:
    return over_rounds([turn.cpu_s / _count(options) * 1e3 for turn in taken]).value


def _count(options: Options) -> int:
    return QUICK_TEXTS if options.quick else TEXTS


BENCHMARK = Benchmark("encode", __doc__ or "", GOALS, measure)

if __name__ == "__main__":
    main(BENCHMARK)
