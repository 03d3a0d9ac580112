"""What a node learns from the traffic that it forwards, starting with nothing.

The training rows of CLINC150 (out-of-scope rows included) and BANKING77, shuffled by the seed, are
asked of a real node on loopback as typed decisions. Behind it stands an upstream that knows the
gold labels. The node learns with `learn: true`, tests itself, and answers what its guarantee
allows. Which rows fit, calibrate and test is decided by a secret of the node, and with it how soon
a test passes and how much it grants: CLINC150 and the noisy upstream at 6 % are replayed under five
secrets, and their figures are medians with the smallest and the largest.

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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from benchmarks.harness.goals import Goal
from benchmarks.harness.options import ROOT, Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured
from benchmarks.harness.rounds import Figure, exactly, over_rounds
from benchmarks.harness.run import Benchmark, main
from benchmarks.heads.intents import read
from benchmarks.learning.plot import plot
from benchmarks.learning.replay import Case, Outcome, replay
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
SECRETS = 5
AT_ONCE = 2
QUICK_LABELS = 30
QUICK_ROWS = 2_000
QUICK_STRICT_ROWS = 1_000
QUICK_LOOSE_ROWS = 3_000
FEWEST_PAIRS = 100
"""Requests put to the upstream twice, below which its noise cannot be named."""
PLOT = ROOT / "docs" / "images" / "learn.svg"


def measure(options: Options, progress: Progress) -> Measured:
    """Replay each case and put the figures together."""
    found = _replayed(_cases(options), progress)
    gold = [one for name in ("clinc150", "banking77") for one in found.get(name, ())]
    clinc = found["clinc150"]
    worst = max(gold, key=lambda one: one.disagreement)
    error = math.sqrt(worst.disagreement * (1 - worst.disagreement) / max(worst.local, 1))
    figures: dict[str, Figure] = {
        "local_share_last_quarter": _over([one.share(LAST) for one in clinc]),
        "realised_disagreement": exactly(worst.disagreement),
        "realised_disagreement_less_2se": exactly(max(worst.disagreement - 2 * error, 0.0)),
        **_noisy(found["noisy at 2 %"][0], found["noisy at 6 %"]),
    }
    grants = [one.first_grant for one in clinc if one.first_grant is not None]
    if len(grants) == len(clinc):
        figures["time_to_first_grant"] = _over(grants)
    if "banking77" in found:
        figures["banking77_local_share_last_quarter"] = exactly(found["banking77"][0].share(LAST))
    if options.keep and not options.quick:
        _draw([runs[0] for runs in found.values()], PLOT)
    return Measured(figures, notes=[_told(one) for runs in found.values() for one in runs])


def _replayed(cases: Sequence[Case], progress: Progress) -> dict[str, list[Outcome]]:
    """Replay all cases, two at a time, as nothing here is a time; gives them by name, in order."""
    progress.expect(len(cases))
    found: dict[str, list[Outcome]] = {}
    with ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as pool:
        for case, outcome in zip(cases, pool.map(replay, cases), strict=True):
            progress.step(f"{case.name}, secret {case.secret}: {len(case.rows)} requests")
            found.setdefault(case.name, []).append(outcome)
    return found


def _over(values: Sequence[float]) -> Figure:
    return over_rounds(values) if len(values) > 1 else exactly(values[0])


def _noisy(strict: Outcome, loose: Sequence[Outcome]) -> dict[str, Figure]:
    verdict = strict.verdict
    why = verdict.infeasible.reason if verdict is not None and verdict.infeasible else ""
    upstream = [
        is_wrong
        for one in loose
        for is_wrong, here in zip(one.is_wrong, one.is_local, strict=True)
        if not here
    ]
    figures = {
        "noisy_alpha2_local_share": exactly(strict.share()),
        "noisy_alpha6_local_share": _over([one.share(LAST) for one in loose]),
        "noisy_alpha6_gold_error": _over([one.disagreement for one in loose]),
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
    secrets = 1 if options.quick else SECRETS
    cases = [
        replace(case, secret=secret)
        for case in cases
        for secret in range(1 if case.name == "noisy at 2 %" else secrets)
    ]
    if not options.quick:
        banking = _shuffled(read(options.data, "banking77", ("train",)), options.seed)
        cases.append(Case("banking77", banking, alpha=0.02, noise=0.0, seed=options.seed))
    return cases


def _shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    mixed = list(rows)
    random.Random(seed).shuffle(mixed)
    return mixed


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
