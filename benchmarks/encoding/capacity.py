"""Two threads over one session against two processes, in texts a second."""

from pathlib import Path

from benchmarks.encoding.engines import OURS, int8_folder, own_python, running
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.rounds import Figure, times

STEPS = 1
TEXTS = 400
QUICK_TEXTS = 60
PAIR = 2


def measure(options: Options, texts: Path, progress: Progress, *, rounds: int) -> dict[str, Figure]:
    """Take turns of one thread, two threads, and two processes."""
    progress.step("two threads against two processes")
    count = QUICK_TEXTS if options.quick else TEXTS
    folder, python = int8_folder(), own_python()
    one: list[float] = []
    threads: list[float] = []
    processes: list[float] = []
    with (
        running("first process", python, OURS, folder, texts) as first,
        running("second process", python, OURS, folder, texts) as second,
        running("two threads", python, OURS, folder, texts, threads=PAIR) as both,
    ):
        for _ in range(rounds):
            one.append(count / first.take(first=0, count=count).wall_s)
            taken = both.take(first=0, count=count, at_once=PAIR)
            threads.append(count / taken.wall_s)
            for process in (first, second):
                process.ask(first=0, count=count // PAIR)
            slower = max(process.answer().wall_s for process in (first, second))
            processes.append(count / slower)
    return {"threads_2_vs_1": times(threads, one), "processes_2_vs_1": times(processes, one)}
