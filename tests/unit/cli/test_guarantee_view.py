"""What `tidegate guarantee` says."""

import pytest

from tests.guarantees import a_guarantee
from tidegate.cli.guarantee_view import lines, promise_of, task_of
from tidegate.domain.guarantee import CriticalClass, Infeasible, Level, Mode, Stratum
from tidegate.domain.promise import Promise
from tidegate.domain.task import Task
from tidegate.errors import ConfigError
from tidegate.node.proving import Outcome

GRANTED = Level(0.02, 0.91, 800, 6, 0.8, 0.0151)
LACKING = Level(0.02, None, 0, 0, 0.0, 1.0, Infeasible("few", 70, 0.5, 140, None))


def _outcome(level: Level, mode: Mode = "ltt") -> Outcome:
    made = a_guarantee(
        bundle_version="3-0",
        state="none" if level.threshold is None else "granted",
        mode=mode,
        levels=(level,),
        expires_at=86_400.0 * 30,
        critical=(CriticalClass("fraud", 90, 0, 0.033),),
        strata=(Stratum("language=fr", 9, 0, 0, is_allowed=False),),
    )
    return Outcome(made, calibrating=300, truncated=2, was_tested=True)


def test_grant_is_told_with_its_evidence() -> None:
    said = "\n".join(lines(_outcome(GRANTED)))
    assert "at most 2.00% of local answers are wrong, with confidence 95%" in said
    assert "answers 80.0% from accept score 0.9100; 6 of 800 wrong, at most 1.51%" in said
    assert (
        "of 90 rows that truly are 'fraud', 0 were answered here as another; at most 3.30%" in said
    )
    assert "language=fr: 9 rows, 0 answered, 0 wrong; too few rows, goes up" in said
    assert "2 rows are longer than the encoder reads" in said
    assert "`max_error: 0.02`" in said


def test_infeasible_is_told_with_what_it_takes() -> None:
    said = "\n".join(lines(_outcome(LACKING)))
    assert "70 more answered test rows are needed, about 140 more labelled rows" in said
    assert "Every question of the task goes up" in said


def test_average_is_not_called_a_confidence() -> None:
    said = "\n".join(lines(_outcome(GRANTED, "crc")))
    assert "of all requests, on average" in said
    assert "confidence" not in said


def test_command_line_takes_the_place_of_the_configuration() -> None:
    task = Task("t", "t", promise=Promise(0.05, client_max_errors=(0.01, 0.03)))
    found = promise_of(task, max_error=0.02, delta=0.1)
    assert (found.alphas, found.delta) == ((0.01, 0.02), 0.1)
    with pytest.raises(ConfigError, match=r"--max-error 0\.02"):
        promise_of(Task("t", "t"), max_error=None, delta=None)
    with pytest.raises(ConfigError, match="no task `x`"):
        task_of([task], "x")
