"""What watching costs a request: metrics always, traces where they are on.

Records as they stand at the end of a chat request with one call of an upstream and of a decision
that was answered here. CPU time of this thread, cases interleaved; no network, no HTTP.

- `observe_us`: counting one request in all metrics.
- `unkept_trace_us`: what tracing adds to a request whose trace is not kept: the context for the
  upstream, the record's fields and the decision at the end.
- `kept_trace_us`: the same for one that is kept, without its export. `export_trace_us`: making its
  spans and encoding them, in batches, in the background.
- `scrape_ms`: the text of all metrics after the load.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from benchmarks.harness.goals import Goal
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.result import Measured
from benchmarks.harness.rounds import Figure, over_rounds, turns
from benchmarks.harness.run import Benchmark, main
from tests.records import a_record
from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.exporters.prometheus import render
from tidegate.domain.answer import Usage
from tidegate.domain.plan import Attempt
from tidegate.domain.question import QuestionTrace
from tidegate.domain.record import Phases, Record
from tidegate.domain.trace import KeptTrace, Resource
from tidegate.domain.zone import Place
from tidegate.gateway.meter import Meter
from tidegate.gateway.trace_queue import BATCH
from tidegate.gateway.tracer import Tracer
from tidegate.telemetry.conventions import SCHEMA_URL
from tidegate.telemetry.sampling import TracePolicy
from tidegate.telemetry.spans import spans
from tidegate.telemetry.tally import Known
from tidegate.telemetry.trace_ids import is_sampled, sent_context
from tidegate.wire.otlp import encode_spans

GOALS = (Goal("unkept_trace_us", "<=", 20, "issue 3"),)
ROUNDS = 15
QUICK_ROUNDS = 7
RUNS = 4_000
QUICK_RUNS = 1_000

NOT_OF_SHARE = "0193f0c0a1b2" + "0" * 19 + "1"
OF_SHARE = "0193f0c0a1b2" + "f" * 20
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
KNOWN = Known(frozenset({"fast", "gpt-6-luna", "support"}), {"openai": "openai"})
EVERYTHING = TracePolicy(
    share=0.01, slow_s=10.0, keeps_errors=True, caller_per_s=1e5, kept_per_s=1e9
)
RESOURCE = Resource("tidegate", "1", SCHEMA_URL, (("service.name", "tidegate"),))


def forwarded(request_id: str) -> Record:
    """The record of a chat request that an upstream answered."""
    place = Place("central", "us-east", "us")
    attempt = Attempt(
        *("openai", "gpt-6-luna", place, "ok", 0.0004, 0.31),
        first_byte_s=0.305,
        usage=Usage(412, 87),
        cost_micro_usd=53,
    )
    return a_record(
        request_id,
        time=1_800_000_000.25,
        region="us-east",
        model="gpt-6-luna",
        duration_s=0.311,
        overhead_s=0.00041,
        phases=Phases(parse_s=0.00004, cache_s=0.00001, first_byte_s=0.305),
        attempts=(attempt,),
        input_tokens=412,
        output_tokens=87,
        cost_micro_usd=53,
        central_cost_micro_usd=53,
        client_rtt_s=0.02,
    )


def decided(request_id: str) -> Record:
    """The record of a decision that was answered here."""
    trace = QuestionTrace("choice", "local", "confident", task="support", confidence=0.98)
    return replace(
        forwarded(request_id),
        surface="decisions",
        model_asked="support",
        source="local",
        tier="pop",
        upstream=None,
        attempts=(),
        questions=(trace,),
        duration_s=0.0021,
        phases=Phases(parse_s=0.00004, local_s=0.0015, queue_s=0.0001, encode_s=0.00002),
    )


def measure(options: Options, progress: Progress) -> Measured:
    """Time every case in interleaved rounds."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    runs = QUICK_RUNS if options.quick else RUNS
    meter = Meter()
    meter.know(KNOWN)
    cases = _cases(meter, runs)
    took: dict[str, list[float]] = {name: [] for name in cases}
    progress.expect(rounds)
    for number, names in enumerate(turns(list(cases), rounds=rounds, seed=options.seed)):
        progress.step(f"round {number + 1}")
        for name in names:
            took[name].append(cases[name]())
    figures: dict[str, Figure] = {name: over_rounds(values) for name, values in took.items()}
    return Measured(figures, notes=[f"{rounds} rounds of {runs} requests of each kind"])


def _cases(meter: Meter, runs: int) -> Mapping[str, Callable[[], float]]:
    kept: list[KeptTrace] = []
    tracer = Tracer(SystemClock(), kept.append)
    tracer.follow(EVERYTHING)
    records = forwarded(NOT_OF_SHARE), decided(NOT_OF_SHARE)
    batch = [KeptTrace(forwarded(OF_SHARE), "share")] * BATCH

    def untraced(request_id: str) -> Callable[[], float]:
        ended = forwarded(request_id), decided(request_id)

        def case() -> float:
            kept.clear()
            return _us(lambda: _trace(tracer, ended, request_id), runs) / len(ended)

        return case

    def observe() -> None:
        for record in records:
            meter.observe(record)

    observe()
    return {
        "observe_us": lambda: _us(observe, runs) / len(records),
        "unkept_trace_us": untraced(NOT_OF_SHARE),
        "kept_trace_us": untraced(OF_SHARE),
        "export_trace_us": lambda: _us(lambda: _export(batch), max(1, runs // 200)) / BATCH,
        "scrape_ms": lambda: _us(lambda: render(meter.families()), 20) / 1e3,
    }


def _trace(tracer: Tracer, records: Sequence[Record], request_id: str) -> None:
    """Do all that tracing does for these requests, of which the first asks an upstream."""
    sent_context(None, request_id, 0, EVERYTHING.share)
    for record in records:
        tracer.observe(record)
    # Half of the requests come with a context of their caller's.
    PARENT.split("-")
    is_sampled(PARENT)


def _export(batch: Sequence[KeptTrace]) -> bytes:
    return encode_spans([span for trace in batch for span in spans(trace, KNOWN)], RESOURCE)


def _us(work: Callable[[], object], runs: int) -> float:
    """Give the CPU microseconds of one run."""
    began = time.thread_time()
    for _ in range(runs):
        work()
    return (time.thread_time() - began) / runs * 1e6


BENCHMARK = Benchmark("telemetry", __doc__ or "", GOALS, measure)

if __name__ == "__main__":
    main(BENCHMARK)
