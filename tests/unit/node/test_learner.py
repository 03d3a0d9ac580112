"""The learner on a store of rows: what it fits, grants, refuses and survives."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.guarantees import GRANTED
from tests.unit.node.learning_bench import OWNER, Bench, rows
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.bundles.manifest import unpack
from tidegate.domain.feedback import Feedback
from tidegate.domain.guarantee import AttemptLedger
from tidegate.domain.label import LabelRow, Purge
from tidegate.errors import BundleError, StateError
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.grid import Plan, Terms
from tidegate.learning.guarantee import Verdict, verdict
from tidegate.node import granting
from tidegate.node.learner import Learner


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


async def test_enough_good_labels_are_granted(bench: Bench) -> None:
    bench.labels.add(rows(400))

    assert await bench.learner.round()

    assert bench.verdict is not None
    assert bench.verdict.state == "granted"
    assert bench.verdict.labels.upstream == "central"
    assert bench.verdict.own.coverage > 0.9
    assert bench.rebuilt == ["`intent.acme` was granted 0.2"]
    assert bench.guarantees.ledger(OWNER.key).attempts == 1


async def test_a_bundle_inherits_the_zones_of_its_rows_and_says_who_labelled_them(
    bench: Bench,
) -> None:
    bench.labels.add([replace(row, zone=("eu", "no")[i % 2]) for i, row in enumerate(rows(400))])

    await bench.learner.round()

    (version,) = bench.bundles.versions(OWNER.key)
    made = unpack(bench.bundles.read(OWNER.key, version), name=OWNER.key, version=version)
    assert made.provenance.zones == ("eu", "no")
    assert (made.provenance.upstream, made.provenance.model) == ("central", "gpt")


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


async def test_labels_that_were_collected_for_another_node_are_not_fitted(bench: Bench) -> None:
    bench.labels.add(rows(400))
    bench.labels.add([replace(rows(1, first=900)[0], hashed_for="keys of another node")])
    await bench.learner.round()
    ((_, refused),) = [one for one in bench.log.events if one[0] == "learn.refused"]
    assert "tidegate labels purge --only-here" in str(refused["error"])
    assert bench.bundles.versions(OWNER.key) == ()

    bench.labels.purge(Purge(tenant="acme"))
    await bench.learner.round()
    bench.labels.add(rows(400, first=1_000))
    await bench.learner.round()
    assert len(bench.bundles.versions(OWNER.key)) == 1


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
        await bench.close()
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


async def test_two_learners_at_once_leave_one_verdict_and_whole_bundles(bench: Bench) -> None:
    bench.labels.add(rows(400))
    beside = SqliteGuarantees.open(bench.folder / "guarantees.sqlite")
    other = Learner(replace(bench.learner.shop, guarantees=beside), bench.configuration)

    ended = await asyncio.gather(bench.learner.round(), other.round(), return_exceptions=True)
    await other.close()
    beside.close()

    # Whoever comes second finds the number taken, or the attempt spent, or nothing left to do.
    assert all(isinstance(one, bool | BundleError | StateError) for one in ended), ended
    assert True in ended
    verdict, ledger = bench.granted, bench.guarantees.ledger(OWNER.key)
    assert (verdict.state, verdict.attempt) == ("granted", 1)
    assert 1 <= ledger.attempts <= 2
    for version in bench.bundles.versions(OWNER.key):
        unpack(bench.bundles.read(OWNER.key, version), name=OWNER.key, version=version)
    assert verdict.bundle_version in bench.bundles.versions(OWNER.key)


async def test_a_verdict_that_was_overtaken_is_discarded_and_its_attempt_spent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.labels.add(rows(400))
    suspended = replace(GRANTED, task=OWNER.key, state="suspended")

    def overtaken(plan: Plan, tested: AuditRows, terms: Terms) -> Verdict:
        bench.guarantees.save(suspended)
        return verdict(plan, tested, terms)

    monkeypatch.setattr(granting, "verdict", overtaken)
    await bench.learner.round()

    assert (bench.verdict, bench.rebuilt) == (suspended, [])
    assert bench.events()[-1] == "learn.discarded"
    assert bench.guarantees.ledger(OWNER.key).attempts == 1


async def test_a_clock_that_jumps_back_grants_the_same(bench: Bench) -> None:
    bench.labels.add(rows(400))
    bench.clock.wall = 1_000_000_000.0
    await bench.learner.round()
    assert bench.verdict is not None
    assert bench.verdict.state == "granted"


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
        await bench.close()
    assert tested[0] == tested[1]
    assert heads[0] != heads[1]
