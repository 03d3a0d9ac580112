"""Whether what is guaranteed holds, what it costs in coverage, and how soon a change is seen.

- `exact_violations_pct`: rows drawn with replacement from scored rows, their labels from known
  probabilities; share of draws in which the granted threshold has a true risk above alpha; the
  worst of alpha 1, 2, 5 %. `exact_violations_se`: its Monte Carlo standard error, in points.
- `resplit_violations_pct`: real rows parted at random; share of parts in which the error on the
  rest is above alpha. `resplit_noise_pct`: what test noise alone gives.
- `sequential_false_grants_pct`: streams of labels, refits and repeated attempts, the ledger
  deciding what each may spend; share that ever serves under a guarantee that does not hold, the
  worse of streams whose heads never deserve one and of streams whose heads grow better.
- `*_coverage_at_2pct`: largest share of the surest rows of which at most 2 % are wrong;
  `oos_coverage_at_2pct` with out-of-scope rows weighted to 18 %. `oos_auroc`: of the novelty;
  `oos_auroc_accept`: of the accept score. `clinc150_aurc`: area under the risk curve.
- `coverage_vs_oracle`: coverage granted on CLINC150 at alpha 2 % with 3,000 test rows, over
  `clinc150_coverage_at_2pct`.
- `arl_no_shift`: decisions a false alarm of a shift. `covariate_delay`: median decisions from the
  change to 18 % out of scope to the alarm. `concept_delay_labels`: median audited answers from a
  change of the error from 1 to 6 % to the suspension, alpha 2 %.
- `accept_p99_ms`: the accept rule beside the encoder pass: novelty, score, language, refusal.
"""

import statistics
import time

import numpy as np

from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.goals import Goal
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured
from benchmarks.harness.rounds import Figure, exactly, over_rounds
from benchmarks.harness.run import Benchmark, main
from benchmarks.heads.quality import Bench
from benchmarks.proofs import curves, draws, shifts, streams
from benchmarks.proofs.scored import Predictor, Scored, measured, predictor
from tests.guarantees import a_guarantee
from tidegate.domain.guarantee import Level, Stratum
from tidegate.domain.promise import Promise
from tidegate.domain.task import Task
from tidegate.learning.audit_rows import AuditRows
from tidegate.node.training import bundled_encoder
from tidegate.statistics.calibration import Float64
from tidegate.statistics.language import language
from tidegate.statistics.novelty import accept_score
from tidegate.tasks.accept import Asked, Candidate, refusal

ALPHAS = (0.01, 0.02, 0.05)
ALPHA = 0.02
OUT_OF_SCOPE = 0.18
ROUNDS = 5
RUNS = 4_000
GOALS = (
    Goal("exact_violations_pct", "<=", 5.0 + 2 * 0.69, "issue 5"),
    Goal("sequential_false_grants_pct", "<=", 5.0 + 2 * 0.97, "issue 5"),
    Goal("clinc150_coverage_at_2pct", ">=", 0.91, "issue 5"),
    Goal("oos_auroc", ">=", 0.95, "issue 5"),
    Goal("oos_coverage_at_2pct", ">=", 0.63, "issue 5"),
    Goal("banking77_coverage_at_2pct", ">=", 0.82, "issue 5"),
    Goal("coverage_vs_oracle", ">=", 0.90, "issue 5"),
    Goal("arl_no_shift", ">=", 100_000, "issue 5"),
    Goal("covariate_delay", "<=", 500, "issue 5"),
    Goal("accept_p99_ms", "<=", 0.2, "issue 5"),
)
"""5 % and two standard errors of 1,000 draws and of 500 streams."""


def measure(options: Options, progress: Progress) -> Measured:
    """Score the sets, then break promises, then change the world."""
    progress.expect(11)
    encoder = bundled_encoder(threads=1)
    folder = options.cache / "heads"
    bench = Bench(encoder, folder, options.data, options.test_data, options.seed, progress)
    try:
        clinc, left_out = predictor(bench, "clinc150", ("train",))
        dev = measured(bench, clinc, options.data, "clinc150", "dev")
        banking = _banking(bench, options)
        tested = dev
        if options.test_data is not None:
            tested = measured(bench, clinc, options.test_data, "clinc150", "test")
    finally:
        encoder.close()
    inside = tested.inside
    figures, notes = _coverages(tested, left_out, dev, banking)
    broken, said = _broken(options, progress, banking)
    known = tested.scores[:inside]
    progress.step("look for shifts")
    decisions = 200_000 if options.quick else 1_000_000
    length, alarms = shifts.run_length(known, decisions, options.seed)
    delays = shifts.covariate_delays(known, tested.scores[inside:], OUT_OF_SCOPE, options.seed)
    labels = shifts.concept_delays(ALPHA, options.seed)
    progress.step("time the accept rule")
    changes: dict[str, Figure] = {
        "arl_no_shift": exactly(length),
        "covariate_delay": _median(delays),
        "concept_delay_labels": _median(labels),
        "accept_p99_ms": time_accept(clinc, options.seed),
    }
    notes += [*said, f"{alarms} false alarms of a shift in {decisions:,} decisions"]
    return Measured({**figures, **broken, **changes}, notes=notes)


def time_accept(maker: Predictor, seed: int) -> Figure:
    """99th percentile of one decision's accept rule, median over rounds."""
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(64, maker.novelty.form.shape[0])).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    task = Task("t", "t", promise=Promise(ALPHA))
    levels = (Level(ALPHA, 0.9, 1_000, 5, 0.8, 0.015),)
    strata = (Stratum("language=en", 900, 800, 5, is_allowed=True),)
    guarantee = a_guarantee(levels=levels, strata=strata)
    text = "What is my checking account's balance, and how much of it may I spend this month?"

    def round_p99() -> float:
        took = []
        for run in range(RUNS):
            began = time.perf_counter()
            strata = (f"language={language(text)}", "region=eu-west")
            score = accept_score(maker.novelty, vectors[run % 64], run % 77, 0.97)
            refusal(task, guarantee, Candidate(0.97, score), Asked(1.0, None, strata))
            took.append(time.perf_counter() - began)
        return statistics.quantiles(took, n=100)[98] * 1e3

    return over_rounds([round_p99() for _ in range(ROUNDS)])


def _banking(bench: Bench, options: Options) -> Scored:
    maker, left_out = predictor(bench, "banking77", ("train",))
    if options.test_data is None:
        return left_out
    return measured(bench, maker, options.test_data, "banking77", "test")


def _coverages(
    tested: Scored, left_out: Scored, dev: Scored, banking: Scored
) -> tuple[dict[str, Figure], list[str]]:
    """Measure rankings, and what of it is granted."""
    scores, is_wrong, inside = tested.scores, tested.is_wrong, tested.inside
    outside = len(scores) - inside
    if outside == 0:
        raise BenchmarkError("the measured part of clinc150 has no out-of-scope rows")
    even = np.ones(inside)
    best = curves.coverage_at(scores[:inside], is_wrong[:inside], ALPHA, even)
    weights = curves.weighted(inside, outside, OUT_OF_SCOPE)
    testing = AuditRows(
        dev.scores[: dev.inside],
        dev.is_wrong[: dev.inside],
        np.arange(dev.inside),
        {},
        {},
    )
    calibrating = AuditRows(
        left_out.scores, left_out.is_wrong, np.arange(len(left_out.scores)), {}, {}
    )
    cut = draws.threshold(calibrating, testing, ALPHA)
    granted = 0.0 if cut is None else float((scores[:inside] >= cut).mean())
    flat = np.ones(len(banking.scores))
    figures = {
        "clinc150_coverage_at_2pct": exactly(best),
        "clinc150_aurc": exactly(curves.area(scores[:inside], is_wrong[:inside])),
        "oos_auroc": exactly(curves.auroc(tested.novelties[inside:], tested.novelties[:inside])),
        "oos_auroc_accept": exactly(curves.auroc(scores[:inside], scores[inside:])),
        "oos_coverage_at_2pct": exactly(curves.coverage_at(scores, is_wrong, ALPHA, weights)),
        "banking77_coverage_at_2pct": exactly(
            curves.coverage_at(banking.scores, banking.is_wrong, ALPHA, flat)
        ),
        "coverage_vs_oracle": exactly(granted / best if best else 0.0),
    }
    notes = [
        f"clinc150: fitted on train, measured on {inside} rows in scope, {outside} out of it",
        f"granted at 2 % with {dev.inside} test rows: coverage {granted:.3f}",
        f"banking77: {len(banking.scores)} rows, accuracy {1 - banking.is_wrong.mean():.3f}",
    ]
    return figures, notes


def _broken(
    options: Options, progress: Progress, banking: Scored
) -> tuple[dict[str, Figure], list[str]]:
    """Draw, split and run streams."""
    count = 200 if options.quick else 1_000
    splits = 100 if options.quick else 500
    runs = 40 if options.quick else 500
    wrong = 1.0 - banking.scores
    exact, parted = {}, {}
    for alpha in ALPHAS:
        progress.step(f"draw {count} samples at {alpha:.0%}")
        exact[alpha] = draws.from_population(banking.scores, wrong, alpha, count, options.seed)
    progress.step(f"part real rows {splits} times")
    if len(banking.scores) > draws.CALIBRATING + draws.TESTING + 1_000:
        parted = {
            alpha: draws.from_splits(banking.scores, banking.is_wrong, alpha, splits, options.seed)
            for alpha in ALPHAS
        }
    progress.step(f"run {2 * runs} streams")
    sequential = [
        [streams.run(options.seed * 100_000 + run, is_flat=is_flat) for run in range(runs)]
        for is_flat in (True, False)
    ]
    rates = [sum(one.is_false for one in kind) / runs for kind in sequential]
    worst = max(exact.values(), key=lambda one: one.violations)
    figures = {
        "exact_violations_pct": exactly(100 * worst.violations),
        "exact_violations_se": exactly(100 * draws.standard_error(worst.violations, count)),
        "sequential_false_grants_pct": exactly(100 * max(rates)),
    }
    if parted:
        most = max(parted.values(), key=lambda one: one.violations)
        figures["resplit_violations_pct"] = exactly(100 * most.violations)
        figures["resplit_noise_pct"] = exactly(100 * most.noise)
    told = ", ".join(
        f"{alpha:.0%}: {one.violations:.1%} broken, {one.granted:.0%} granted, coverage"
        f" {one.coverage:.3f}"
        for alpha, one in exact.items()
    )
    notes = [f"{count} draws each, {told}"]
    for index, kind in enumerate(("never deserve it", "grow better")):
        grants = sum(one.grants for one in sequential[index]) / runs
        attempts = sum(one.attempts for one in sequential[index]) / runs
        notes.append(
            f"{runs} streams of heads that {kind}: {rates[index]:.1%} false, {grants:.1f} grants in"
            f" {attempts:.1f} attempts"
        )
    return figures, notes


def _median(values: Float64) -> Figure:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95), method="nearest")
    return Figure(float(middle), float(low), float(high))


BENCHMARK = Benchmark("guarantees", __doc__ or "", GOALS, measure)

if __name__ == "__main__":
    main(BENCHMARK)
