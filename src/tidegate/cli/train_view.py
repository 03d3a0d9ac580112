"""What `tidegate train` reads and shows."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tidegate.config.decode import Decoder
from tidegate.config.document import Document, read
from tidegate.config.problem import to_error
from tidegate.config.task_settings import TaskSettings
from tidegate.config.tasks import question as question_of
from tidegate.domain.bundle import Metrics, OperatingPoint, StaticMetrics
from tidegate.domain.question import ChoiceValue, Question
from tidegate.errors import ConfigError, FitError
from tidegate.node.training import Report, Stage, Trained

WEAKEST = 5
ADVISED_ERROR = 0.02
NOT_GUARANTEED = "measured on these rows, not guaranteed"
_WORDS: dict[Stage, str] = {
    "encode": "encoding texts",
    "fit": "fitting heads",
    "static": "fitting heads on static embeddings",
}


class LabelSummary(msgspec.Struct, frozen=True):
    """How well one label is found."""

    label: ChoiceValue
    rows: int
    accuracy: float


class Summary(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    task: str
    bundle: str
    version: str
    folder: str
    encoder: str
    question: str | None
    """Fingerprint of the question that the bundle covers."""
    labels: int
    metrics: Metrics
    static: StaticMetrics | None
    """None: static embeddings answer nothing; the encoder looks at every text."""
    weakest: tuple[LabelSummary, ...]
    contradictions: int
    truncated: int
    took_s: float


def read_rows_file(file: Path) -> bytes:
    """Read the file of rows; raises FitError naming it."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise FitError(f"{file} cannot be read: {error.strerror}.") from error


def read_question(file: Path) -> Question:
    """Read a question from a file of its own, with the checks that the configuration has."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"it cannot be read: {error.strerror}", file=str(file)) from error
    document = read(b'{"question": ' + content + b"}")
    settings = _decoded(document)
    question = None
    if settings is not None and settings.question is not None:
        question = question_of(settings.question, document, ())
    if document.problems:
        raise to_error(document.problems, str(file))
    if question is None:
        raise ConfigError("it holds no question", file=str(file))
    return question


@contextmanager
def progress() -> Iterator[Report]:
    """Show a bar for each stage on stderr."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        rows = {stage: bars.add_task(words, total=None) for stage, words in _WORDS.items()}

        def advance(stage: Stage, done: int, total: int) -> None:
            bars.update(rows[stage], completed=done, total=total)

        yield advance


def summary(trained: Trained, task: str, took_s: float) -> Summary:
    """Give what `--json` prints."""
    bundle = trained.bundle
    return Summary(
        task=task,
        bundle=bundle.name,
        version=bundle.version,
        folder=str(trained.folder),
        encoder=bundle.encoder,
        question=bundle.questions[0] if bundle.questions else None,
        labels=len(bundle.head.labels),
        metrics=bundle.metrics,
        static=None if bundle.static is None else bundle.static.metrics,
        weakest=_weakest(trained),
        contradictions=trained.rows.contradictions,
        truncated=trained.truncated,
        took_s=round(took_s, 1),
    )


def report(trained: Trained, task: str, took_s: float) -> None:
    """Print what a reader wants to know before serving the bundle."""
    console = Console(highlight=False)
    for line in lines(trained, task, took_s):
        console.print(line, markup=False, soft_wrap=True)


def lines(trained: Trained, task: str, took_s: float) -> list[str]:
    """Give the report, line by line."""
    bundle, metrics = trained.bundle, trained.bundle.metrics
    told = [
        f"Bundle {bundle.name}@{bundle.version}, {took_s:.0f} s",
        f"  {len(bundle.head.labels)} labels, {metrics.rows} rows",
        f"  {trained.folder}",
        "",
        f"On rows that were not fitted on ({metrics.folds} folds):",
        f"  accuracy            {metrics.accuracy:.1%}",
        f"  calibration error   {metrics.ece:.4f} ({_band(metrics)})",
        f"  could be answered here ({NOT_GUARANTEED}):",
        *(f"    at {point.error:.0%} error   {_point(point)}" for point in metrics.points),
        "  weakest labels:",
        *(
            f"    {json_text(one.label)}: {one.accuracy:.0%} of {one.rows} rows"
            for one in _weakest(trained)
        ),
    ]
    return [*told, *_static(trained), *_warnings(trained), "", *_advice(trained, task)]


def json_text(label: ChoiceValue) -> str:
    """Write a label so that `true` and `"true"` differ."""
    return msgspec.json.encode(label).decode()


def _decoded(document: Document) -> TaskSettings | None:
    return None if document.value is None else Decoder(document, {}).decode(TaskSettings)


def _weakest(trained: Trained) -> tuple[LabelSummary, ...]:
    return tuple(LabelSummary(*line) for line in trained.measured.by_label[:WEAKEST])


def _band(metrics: Metrics) -> str:
    verdict = "within" if metrics.ece <= metrics.ece_null95 else "ABOVE"
    return f"{verdict} the {metrics.ece_null95:.4f} that perfect calibration stays below in 95 %"


def _point(point: OperatingPoint) -> str:
    if point.threshold is None:
        return "nothing"
    return f"{point.coverage:.1%} with threshold {_cut(point.threshold)}"


def _cut(threshold: float) -> float:
    """Three digits, downwards: 0.9996 must not become a threshold that nothing passes."""
    return math.floor(threshold * 1000) / 1000


def _static(trained: Trained) -> list[str]:
    """Say what static embeddings take off the encoder, or why they do not."""
    head = trained.bundle.static
    if head is not None:
        metrics = head.metrics
        return [
            (
                f"  static embeddings   answer {metrics.share:.1%} first; accuracy then"
                f" {metrics.pair_accuracy:.1%}, by the encoder alone {metrics.encoder_accuracy:.1%}"
            )
        ]
    if trained.static is not None:
        return [f"  static embeddings   answer nothing: {trained.static.reason}"]
    return []


def _warnings(trained: Trained) -> list[str]:
    told = []
    if trained.rows.contradictions:
        told.append(f"  {trained.rows.contradictions} texts occur with more than one label")
    if trained.truncated:
        told.append(f"  {trained.truncated} texts are longer than the encoder reads; cut")
    return told


def _advice(trained: Trained, task: str) -> list[str]:
    """Say what to write into the configuration, and what the bundle then covers."""
    points = {point.error: point.threshold for point in trained.bundle.metrics.points}
    found = points.get(ADVISED_ERROR)
    threshold = 0.9 if found is None else _cut(found)
    told = [
        "To serve it, write into tidegate.yaml and run `tidegate reload`:",
        "  tasks:",
        f"    {task}:",
        f"      threshold: {threshold}",
        "      unguaranteed: true      # no audit sample has tested this threshold",
    ]
    if not trained.bundle.questions:
        told += [
            "      accept_names: [NAME]    # names of the questions that mean these labels",
            "",
            f"No question was given (`tasks.{task}.question` or --question): the bundle covers",
            "no wording. It answers only questions whose name stands under `accept_names` and",
            "whose options are its labels.",
        ]
    return told
