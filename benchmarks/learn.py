"""What a node learns from the traffic that it forwards, starting with nothing.

The training rows of CLINC150 (out-of-scope rows included) and BANKING77, shuffled by the seed, are
asked of a real node on loopback as typed decisions. Behind it stands an upstream that knows the
gold labels. The node learns with `learn: true`, tests itself, and answers what its guarantee
allows.

- `local_share_last_quarter`: share of the last quarter of the CLINC150 stream that the node
  answered itself, at `max_error: 0.02`; `banking77_local_share_last_quarter`: of BANKING77.
- `time_to_first_grant`: requests of the CLINC150 stream until it answered something itself.
- `realised_disagreement`: share of all its answers that differ from the upstream's (here: gold),
  the worse of the two sets; `realised_disagreement_less_2se` is two standard errors lower.
- `noisy_alpha2_local_share`: the upstream says a random label in 3 % of its calls, drawn anew each
  time. No head can agree with it to 2 %, so nothing must be answered here, and the node has to say
  why: `noisy_alpha2_floor_named` is 1 when it named the upstream's own noise.
- `noisy_alpha6_local_share`: last quarter, the same upstream at 6 %; `noisy_alpha6_gold_error`:
  how often the node's own answers were wrong against gold; `noisy_upstream_gold_error`: the
  upstream's.
"""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.harness.goals import Goal
from benchmarks.harness.options import ROOT, Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured
from benchmarks.harness.rounds import Figure, exactly
from benchmarks.harness.run import Benchmark, main
from benchmarks.heads.intents import read
from benchmarks.learning.plot import plot
from benchmarks.learning.replay import BLOCK, Case, Outcome, replay
from tidegate.learning.rows import Row

GOALS = (
    Goal("local_share_last_quarter", ">=", 0.70, "issue 5"),
    Goal("time_to_first_grant", "<=", 5_000, "issue 5"),
    Goal("realised_disagreement_less_2se", "<=", 0.02, "issue 5"),
    Goal("noisy_alpha2_local_share", "<=", 0.0, "issue 5"),
    Goal("noisy_alpha2_floor_named", ">=", 1, "issue 5"),
    Goal("noisy_alpha6_local_share", ">=", 0.60, "issue 5"),
)
NOISE = 0.03
LAST = 0.75
QUICK_LABELS = 30
QUICK_ROWS = 2_000
QUICK_STRICT_ROWS = 1_000
QUICK_LOOSE_ROWS = 3_000
FEWEST_PAIRS = 100
"""Requests put to the upstream twice, below which its noise cannot be named."""
PLOT = ROOT / "docs" / "images" / "learn.svg"


def measure(options: Options, progress: Progress) -> Measured:
    """Replay each case and put the figures together."""
    cases = _cases(options)
    progress.expect(sum(-(-len(case.rows) // BLOCK) for case in cases))
    found = {case.name: _run(case, progress) for case in cases}
    gold = [found[name] for name in ("clinc150", "banking77") if name in found]
    clinc = found["clinc150"]
    worst = max(gold, key=lambda one: one.disagreement)
    error = math.sqrt(worst.disagreement * (1 - worst.disagreement) / max(worst.local, 1))
    figures: dict[str, Figure] = {
        "local_share_last_quarter": exactly(clinc.share(LAST)),
        "realised_disagreement": exactly(worst.disagreement),
        "realised_disagreement_less_2se": exactly(max(worst.disagreement - 2 * error, 0.0)),
        **_noisy(found["noisy at 2 %"], found["noisy at 6 %"]),
    }
    if clinc.first_grant is not None:
        figures["time_to_first_grant"] = exactly(clinc.first_grant)
    if "banking77" in found:
        figures["banking77_local_share_last_quarter"] = exactly(found["banking77"].share(LAST))
    if options.keep and not options.quick:
        _draw(found.values(), PLOT)
    return Measured(figures, notes=[_told(one) for one in found.values()])


def _noisy(strict: Outcome, loose: Outcome) -> dict[str, Figure]:
    verdict = strict.verdict
    why = verdict.infeasible.reason if verdict is not None and verdict.infeasible else ""
    upstream = [w for w, here in zip(loose.is_wrong, loose.is_local, strict=True) if not here]
    figures = {
        "noisy_alpha2_local_share": exactly(strict.share()),
        "noisy_alpha6_local_share": exactly(loose.share(LAST)),
        "noisy_alpha6_gold_error": exactly(loose.disagreement),
        "noisy_upstream_gold_error": exactly(sum(upstream) / max(len(upstream), 1)),
    }
    noise = None if verdict is None else verdict.labels.noise
    if noise is not None and noise.pairs >= FEWEST_PAIRS:
        figures["noisy_alpha2_floor_named"] = exactly(float("noise floor" in why))
    return figures


def _cases(options: Options) -> list[Case]:
    clinc = _shuffled(read(options.data, "clinc150", ("train",)), options.seed)
    gold = Case("clinc150", clinc, alpha=0.02, noise=0.0, seed=options.seed)
    if options.quick:
        kept = sorted({str(row.label) for row in clinc})[:QUICK_LABELS]
        clinc = [row for row in clinc if row.label in kept]
        gold = replace(gold, rows=clinc[:QUICK_ROWS])
    strict = clinc[:QUICK_STRICT_ROWS] if options.quick else clinc
    loose = clinc[:QUICK_LOOSE_ROWS] if options.quick else clinc
    cases = [
        gold,
        Case("noisy at 2 %", strict, alpha=0.02, noise=NOISE, seed=options.seed),
        Case("noisy at 6 %", loose, alpha=0.06, noise=NOISE, seed=options.seed),
    ]
    if not options.quick:
        banking = _shuffled(read(options.data, "banking77", ("train",)), options.seed)
        cases.append(Case("banking77", banking, alpha=0.02, noise=0.0, seed=options.seed))
    return cases


def _shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    mixed = list(rows)
    random.Random(seed).shuffle(mixed)
    return mixed


def _run(case: Case, progress: Progress) -> Outcome:
    done = 0

    def step(requests: int) -> None:
        nonlocal done
        done += requests
        progress.step(f"{case.name}: {done} of {len(case.rows)} requests")

    return replay(case, step)


def _told(outcome: Outcome) -> str:
    case, verdict = outcome.case, outcome.verdict
    state = "no verdict" if verdict is None else verdict.state
    why = ""
    if verdict is not None and verdict.infeasible is not None:
        why = f" ({verdict.infeasible.reason})"
    return (
        f"{case.name}: {len(case.rows)} requests at max_error {case.alpha:g}, first grant after"
        f" {outcome.first_grant}, {outcome.share():.1%} local overall, {outcome.share(LAST):.1%} in"
        f" the last quarter, {outcome.disagreement:.2%} of {outcome.local} local answers not gold,"
        f" {outcome.calls} calls upstream; at the end {state}{why}"
    )


def _draw(outcomes: Iterable[Outcome], file: Path) -> None:
    lines = [(one.case.name, one.is_local) for one in outcomes]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(plot(lines), encoding="utf-8")


BENCHMARK = Benchmark("learn", __doc__ or "", GOALS, measure)

if __name__ == "__main__":
    main(BENCHMARK)
