"""What `tidegate bundles build-encoder` shows while it works."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tidegate.adapters.engines.encoder_build.build import Report, Stage

_WORDS: dict[Stage, str] = {
    "read": "reading weights",
    "calibrate": "finding the range of activations",
    "write": "writing the graph",
    "check": "encoding the golden texts",
}


@contextmanager
def progress() -> Iterator[Report]:
    """Show a bar a stage on stderr; nothing where that is no terminal."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    stages = {stage: bars.add_task(words, total=None) for stage, words in _WORDS.items()}

    def advance(stage: Stage, done: int, total: int) -> None:
        bars.update(stages[stage], completed=done, total=total)

    with bars:
        yield advance
