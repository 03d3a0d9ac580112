"""The learner on a store of rows: what it fits, grants, refuses and survives."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from tests.label_rows import a_label
from tests.unit.gateway.fakes import ManualClock
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.bundles.golden import TEXTS
from tidegate.config.configuration import Configuration
from tidegate.config.load import check_text
from tidegate.domain.encoding import Encoding
from tidegate.domain.feedback import Feedback
from tidegate.domain.guarantee import AttemptLedger, Guarantee
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.question import Option, Question
from tidegate.errors import StateError
from tidegate.learning.audit import derive, role
from tidegate.node import granting
from tidegate.node.fitting import Texts
from tidegate.node.learner import Learner, Shop

OWNER = Owner("intent", "acme")
LABELS = ("order", "refund", "other")
QUESTION = Question("choice", "intent", "What?", tuple(Option(label) for label in LABELS))
ENCODER = "e" * 64
CONFIG = b"""
tenants: [{name: acme}]
upstreams: [{name: far, kind: openai, base_url: "http://127.0.0.1:9/v1", tier: central, region: us,
  zone: us}]
routes: [{models: [decider], upstreams: [far], tasks: [intent], learn: true}]
tasks: {intent: {question: {type: choice, instructions: "What?", choices: [{value: order},
  {value: refund}, {value: other}]}}}
learning: {max_error: 0.2}
"""
KEYS = derive(b"p" * 32)
DIMENSIONS = 8


def configuration() -> Configuration:
    found = check_text(CONFIG, None, {}, folder=Path()).configuration
    assert found is not None
    return found


def rows(count: int, *, wrong: float = 0.0, seed: int = 1, first: int = 0) -> list[LabelRow]:
    """Make rows whose vectors tell the label, but for a share of random labels."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(first, first + count):
        place = int(generator.integers(3))
        vector = generator.normal(0, 0.1, DIMENSIONS).astype(np.float32)
        vector[place] += 1.0
        label = LABELS[place if generator.random() >= wrong else int(generator.integers(3))]
        group = number.to_bytes(16, "big")
        made.append(
            a_label(
                f"{number}/0",
                owner=OWNER,
                label=label,
                vector=vector / np.linalg.norm(vector),
                group=group,
                cluster=group,
                role=role(KEYS, group),
                time=1_800_000_000.0 + number,
            )
        )
    return made


class Bench:
    """A learner with everything it needs, and what it made others build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(wall=1_800_100_000.0)
        self.log = MemoryLog()
        self.guarantees = SqliteGuarantees.open(folder / "guarantees.sqlite")
        self.labels = self.open_labels()
        self.labels.remember(OWNER, QUESTION)
        self.bundles = BundleFolder(folder / "bundles")
        self.rebuilt: list[str] = []
        self.learner = self.new_learner()

    def new_learner(self) -> Learner:
        """A learner as after a restart: it knows what is on the disk and nothing else."""
        shop = Shop(
            self.clock,
            self.open_labels,
            self.guarantees,
            self.bundles,
            self.texts,
            self.rebuild,
            self.log,
        )
        return Learner(shop, configuration)

    def open_labels(self) -> SqliteLabels:
        keys = TenantKeys(self.folder / "label_keys")
        return SqliteLabels.open(self.folder / "labels.sqlite", keys, secret=b"s" * 32)

    async def texts(self) -> Texts:
        vector = np.full(DIMENSIONS, 0.3, dtype=np.float32)
        return Texts(ENCODER, [Encoding(vector, 5, is_truncated=False)] * len(TEXTS))

    async def rebuild(self, why: str) -> None:
        self.rebuilt.append(why)

    @property
    def verdict(self) -> Guarantee | None:
        return self.guarantees.load(OWNER.key)

    def events(self) -> list[str]:
        return [name for name, _ in self.log.events]


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.learner.close()
    made.labels.close()
    made.guarantees.close()


async def test_enough_good_labels_are_granted(bench: Bench) -> None:
    bench.labels.add(rows(400))

    assert await bench.learner.round()

    assert bench.verdict is not None
    assert bench.verdict.state == "granted"
    assert bench.verdict.labels.upstream == "central"
    assert bench.verdict.own.coverage > 0.9
    assert bench.rebuilt == ["`intent.acme` was granted 0.2"]
    assert bench.guarantees.ledger(OWNER.key).attempts == 1


async def test_what_was_fitted_is_not_fitted_again(bench: Bench) -> None:
    bench.labels.add(rows(400))
    await bench.learner.round()

    assert not await bench.learner.round()
    after_a_restart = bench.new_learner()
    assert not await after_a_restart.round()
    await after_a_restart.close()
    assert len(bench.bundles.versions(OWNER.key)) == 1


async def test_too_few_labels_are_a_normal_result_that_says_how_many_more(bench: Bench) -> None:
    bench.labels.add(rows(112))
    await bench.learner.round()

    assert bench.verdict is not None
    assert (bench.verdict.state, bench.rebuilt) == ("none", [])
    assert bench.verdict.infeasible is not None
    assert (bench.verdict.infeasible.further_requests or 0) > 0
    # Nothing was tested, so nothing is spent.
    assert bench.guarantees.ledger(OWNER.key) == AttemptLedger()


async def test_contradictory_labels_end_without_a_grant(bench: Bench) -> None:
    bench.labels.add(rows(400, wrong=0.9))
    await bench.learner.round()
    assert bench.verdict is not None
    assert bench.verdict.state == "none"
    assert bench.rebuilt == []


async def test_one_class_is_never_fitted(bench: Bench) -> None:
    bench.labels.add([replace(row, label="order") for row in rows(400)])
    assert not await bench.learner.round()
    assert bench.bundles.versions(OWNER.key) == ()


async def test_labels_that_are_no_options_are_left_out(bench: Bench) -> None:
    strange = [replace(row, label="nonsense") for row in rows(50, first=1_000)]
    bench.labels.add(rows(400) + strange)
    await bench.learner.round()
    assert bench.verdict is not None
    assert bench.verdict.state == "granted"


async def test_only_nonsense_is_refused_and_not_tried_again_and_again(bench: Bench) -> None:
    nonsense = [replace(row, label=f"nonsense {n % 5}") for n, row in enumerate(rows(400))]
    bench.labels.add(nonsense)
    assert await bench.learner.round()
    assert bench.events() == ["learn.refused"]
    assert not await bench.learner.round()


async def test_a_label_that_no_fitting_row_has_is_never_answered_here(bench: Bench) -> None:
    given = [row for row in rows(500) if row.label != "other" or row.role != "fit"]
    bench.labels.add(given)
    await bench.learner.round()
    assert bench.verdict is not None
    # A third of the rows can only be wrong: they must not be covered, or nothing is granted.
    assert bench.verdict.state == "none" or bench.verdict.own.coverage < 0.75


async def test_the_same_rows_give_the_same_decisions(tmp_path: Path) -> None:
    versions, verdicts = [], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o700)
        bench = Bench(tmp_path / name)
        bench.labels.add(rows(400))
        await bench.learner.round()
        versions.append(bench.bundles.versions(OWNER.key))
        verdicts.append(bench.verdict)
        await bench.learner.close()
    assert versions[0] == versions[1]
    assert verdicts[0] == verdicts[1]


async def test_a_test_that_was_killed_has_spent_its_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    bench.labels.add(rows(400))
    with monkeypatch.context() as patched:
        patched.setattr(granting, "verdict", killed)
        with pytest.raises(KeyboardInterrupt):
            await bench.learner.round()

    assert bench.guarantees.ledger(OWNER.key).attempts == 1
    assert bench.guarantees.load(OWNER.key) is None
    # More labels, another process: the second attempt counts as the second.
    bench.labels.add(rows(300, first=5_000))
    after = bench.new_learner()
    await after.round()
    await after.close()
    assert bench.verdict is not None
    assert (bench.verdict.state, bench.verdict.attempt) == ("granted", 2)


async def test_of_two_learners_on_one_state_one_tests(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.labels.add(rows(400))

    def taken(*_: object) -> None:
        raise StateError("another process has begun a test")

    monkeypatch.setattr(bench.guarantees, "spend", taken)
    with pytest.raises(StateError, match="another process"):
        await bench.learner.round()
    assert bench.verdict is None


async def test_a_clock_that_jumps_back_grants_the_same(bench: Bench) -> None:
    bench.labels.add(rows(400))
    bench.clock.wall = 1_000_000_000.0
    await bench.learner.round()
    assert bench.verdict is not None
    assert bench.verdict.state == "granted"


async def test_another_model_suspends(bench: Bench) -> None:
    bench.labels.add(rows(400))
    await bench.learner.round()
    late = bench.clock.wall + 10
    bench.labels.add([replace(rows(1, first=9_000)[0], model="gpt-next", time=late)])

    await bench.learner.round()

    assert bench.verdict is not None
    assert (bench.verdict.state, bench.verdict.audit_stratum) == ("suspended", 2)
    assert "gpt-next" in bench.verdict.reason


async def test_audited_answers_that_disagree_suspend_at_any_moment(bench: Bench) -> None:
    bench.labels.add(rows(400))
    await bench.learner.round()
    late = bench.clock.wall + 10
    shifted = [replace(row, label="other", time=late) for row in rows(60, first=9_000)]
    bench.labels.add(shifted)

    await bench.learner.round()

    assert bench.verdict is not None
    assert bench.verdict.state == "suspended"
    assert "disagree" in bench.verdict.reason
    # Old rows prove nothing any more: whatever is fitted now is tested on younger ones.
    assert bench.guarantees.ledger(OWNER.key).young_since == bench.clock.now()
    bench.labels.add(rows(250, first=20_000))
    await bench.learner.round()
    assert "granted" not in [name.partition(".")[2] for name in bench.events()[-1:]]


async def test_an_old_guarantee_expires(bench: Bench) -> None:
    bench.labels.add(rows(400))
    await bench.learner.round()
    bench.clock.advance(31 * 86_400.0)

    await bench.learner.round()

    assert bench.verdict is not None
    assert bench.verdict.state == "expired"
    assert len(bench.rebuilt) == 2


async def test_purged_rows_are_fitted_without(bench: Bench) -> None:
    bench.labels.add(rows(400))
    await bench.learner.round()
    (touched,) = bench.labels.purge(Purge(before=1_800_000_010.0)).bundles
    assert touched.version == bench.bundles.versions(OWNER.key)[0]

    assert await bench.learner.round()

    assert len(bench.bundles.versions(OWNER.key)) == 2
    assert not await bench.learner.round()


def give(bench: Bench, made: list[LabelRow]) -> None:
    """Say of answers of this node what would have been right."""
    bench.labels.answers.add([replace(row, origin="local", share=0.0) for row in made])
    for row in made:
        said = replace(row, origin="feedback", share=0.0)
        assert bench.labels.answers.state(
            Feedback(said, "user", row.time, is_local=True, is_error=True)
        )


async def test_no_amount_of_feedback_grants(bench: Bench) -> None:
    give(bench, rows(600))
    assert not await bench.learner.round()
    assert bench.bundles.versions(OWNER.key) == ()

    # Nor does it make up for the rows that a test lacks.
    bench.labels.add(rows(112, first=1_000))
    await bench.learner.round()
    assert bench.verdict is not None
    assert (bench.verdict.state, bench.rebuilt) == ("none", [])
    assert bench.guarantees.ledger(OWNER.key) == AttemptLedger()


async def test_feedback_fits_and_leaves_what_is_tested_as_it_was(tmp_path: Path) -> None:
    tested, heads = [], []
    for name, feedback in (("without", []), ("with", rows(300, first=5_000, seed=2))):
        (tmp_path / name).mkdir(mode=0o700)
        bench = Bench(tmp_path / name)
        bench.labels.add(rows(400))
        give(bench, feedback)
        await bench.learner.round()
        assert bench.verdict is not None
        tested.append((bench.verdict.rows, bench.verdict.attempt))
        heads.append(bench.verdict.bundle)
        await bench.learner.close()
        bench.labels.close()
        bench.guarantees.close()
    assert tested[0] == tested[1]
    assert heads[0] != heads[1]


async def test_a_warning_of_other_traffic_suspends_the_guarantee_that_it_is_about(
    bench: Bench,
) -> None:
    bench.labels.add(rows(600))
    await bench.learner.round()
    granted = bench.verdict
    assert granted is not None
    assert granted.tails is not None
    bench.guarantees.warn(OWNER.key, granted.granted_at - 1.0, "of an older one")
    assert not await bench.learner.round()

    bench.guarantees.warn(OWNER.key, granted.granted_at, "other traffic")
    assert await bench.learner.round()

    assert bench.verdict is not None
    assert (bench.verdict.state, bench.verdict.reason) == ("suspended", "other traffic")
    assert bench.rebuilt[-1] == "other traffic"
    # What is tested next is younger than the shift.
    assert bench.guarantees.ledger(OWNER.key).young_since == bench.clock.now()
