"""Whether a guarantee stands: what takes it back, what renews it, and that nothing delays that."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import pytest_asyncio

from tests.guarantees import GRANTED
from tests.unit.node.learning_bench import CONFIG, OWNER, Bench, rows
from tidegate.domain.guarantee import AttemptLedger, Grant, Guarantee, LabelSource
from tidegate.domain.label import LabelRow
from tidegate.errors import FitError
from tidegate.learning import drift
from tidegate.node import learner

DAY = 86_400.0


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one task is granted, on 600 good rows."""
    folder = tmp_path_factory.mktemp("learned")
    folder.chmod(0o700)

    async def learn() -> None:
        made = Bench(folder)
        made.labels.add(rows(600))
        await made.learner.round()
        assert made.granted.state == "granted"
        await made.close()

    asyncio.run(learn())
    return folder


@pytest_asyncio.fixture
async def bench(learned: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(shutil.copytree(learned, tmp_path / "copy"))
    yield made
    await made.close()


def later(bench: Bench, count: int, *, first: int = 50_000, wrong: float = 0.0) -> list[LabelRow]:
    """Make rows that came after the grant, as fast as a second each."""
    since = bench.clock.wall
    made = rows(count, first=first, seed=first, wrong=wrong)
    stratum = bench.granted.audit_stratum
    return [
        replace(row, time=since + 1.0 + number, share=0.02, stratum=stratum)
        for number, row in enumerate(made)
    ]


def given(bench: Bench, answers: int) -> None:
    bench.guarantees.count(0, {bench.granted.grant: (answers, 0)})


async def test_what_stands_is_left_alone(bench: Bench) -> None:
    assert not await bench.oversee()
    assert (bench.revoked, bench.rebuilt) == ([], [])


async def test_another_model_suspends(bench: Bench) -> None:
    grant = bench.granted.grant
    bench.labels.add([replace(later(bench, 1)[0], model="gpt-next")])

    assert await bench.oversee()

    assert (bench.granted.state, bench.granted.audit_stratum) == ("suspended", 2)
    assert "gpt-next" in bench.granted.reason
    assert bench.revoked == [grant]
    assert "gpt-next" in bench.rebuilt[-1]


async def test_what_another_upstream_answers_says_nothing_of_this_one(bench: Bench) -> None:
    bench.labels.add([replace(later(bench, 1)[0], upstream="spare", model="gpt-next")])
    assert not await bench.oversee()


async def test_a_route_that_leads_elsewhere_suspends(bench: Bench) -> None:
    bench.config = CONFIG.replace(b"name: central", b"name: spare").replace(
        b"[central]", b"[spare]"
    )
    await bench.oversee()
    assert bench.granted.state == "suspended"
    assert "no route that learns leads to `central`" in bench.granted.reason


async def test_audited_answers_that_disagree_suspend_at_any_moment(bench: Bench) -> None:
    bench.labels.add([replace(row, label="other") for row in later(bench, 60)])

    await bench.oversee()

    assert bench.granted.state == "suspended"
    assert "disagree" in bench.granted.reason
    # Old rows prove nothing any more: whatever is fitted now is tested on younger ones.
    assert bench.guarantees.ledger(OWNER.key).young_since == bench.clock.now()
    bench.labels.add(rows(250, first=20_000))
    await bench.learner.round()
    assert bench.events()[-1] != "learn.granted"


async def test_a_warning_of_other_traffic_suspends_the_guarantee_that_it_is_about(
    bench: Bench,
) -> None:
    granted = bench.granted
    assert granted.tails is not None
    bench.guarantees.warn(OWNER.key, granted.granted_at - 1.0, "of an older one")
    assert not await bench.oversee()

    bench.guarantees.warn(OWNER.key, granted.granted_at, "other traffic")
    assert await bench.oversee()

    assert (bench.granted.state, bench.granted.reason) == ("suspended", "other traffic")
    assert bench.rebuilt == ["other traffic"]
    # What is tested next is younger than the shift.
    assert bench.guarantees.ledger(OWNER.key).young_since == bench.clock.now()


async def test_a_suspension_waits_neither_for_a_fit_nor_for_a_change_under_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = Event(), Event()

    def held(*_: object, **__: object) -> None:
        started.set()
        go_on.wait(20.0)
        raise FitError("it was held")

    monkeypatch.setattr(learner, "fit_rows", held)
    bench.labels.add(rows(600, first=20_000))
    fitting = asyncio.create_task(bench.learner.round())
    try:
        await asyncio.to_thread(started.wait, 20.0)
        bench.guarantees.warn(OWNER.key, bench.granted.granted_at, "other traffic")
        async with bench.changing:
            # Nobody can build anew now, and yet nobody answers any more.
            assert await bench.overseer.round()
            assert bench.revoked == [Grant(OWNER.key, bench.granted.granted_at)]
            assert bench.rebuilt == []
        await bench.overseer.follow()
        assert bench.rebuilt == ["other traffic"]
        assert not fitting.done()
    finally:
        go_on.set()
        await fitting


async def test_a_guarantee_whose_age_has_come_expires_without_rows_to_renew_it(
    bench: Bench,
) -> None:
    bench.clock.advance(31 * DAY)

    await bench.oversee()

    assert bench.granted.state == "expired"
    assert "31.0 days old; 0 audit rows since are too few" in bench.granted.reason
    assert bench.revoked == [bench.granted.grant]
    # Nothing was tested, so nothing is spent.
    assert bench.guarantees.ledger(OWNER.key).attempts == 1


async def test_a_guarantee_that_has_given_its_answers_expires(bench: Bench) -> None:
    given(bench, bench.granted.expires_after_answers - 1)
    assert not await bench.oversee()
    given(bench, 1)
    await bench.oversee()
    assert bench.granted.state == "expired"
    assert "has given 1,000,000 answers" in bench.granted.reason


async def test_recent_rows_that_show_it_anew_renew_it(bench: Bench) -> None:
    before = bench.granted
    bench.labels.add(later(bench, 300))
    given(bench, before.expires_after_answers)

    assert await bench.oversee()

    after = bench.granted
    assert (after.state, after.renewals, after.granted_at) == ("granted", 1, before.granted_at)
    assert after.expires_after_answers == 2 * before.expires_after_answers
    assert after.expires_at == bench.clock.now() + 30 * DAY
    assert (after.rows, after.bundle, after.own.threshold) == (
        300,
        before.bundle,
        before.own.threshold,
    )
    assert bench.revoked == []
    assert "renewed" in bench.rebuilt[-1]
    assert bench.events()[-1] == "learn.renewed"
    # It was an attempt like any other, and one outcome that later tests have to pay for.
    ledger = bench.guarantees.ledger(OWNER.key)
    assert (after.attempt, ledger.attempts, ledger.grants_since) == (2, 2, 2)


async def test_each_row_renews_once(bench: Bench) -> None:
    bench.labels.add(later(bench, 300))
    bench.clock.advance(400.0)
    given(bench, 1_000_000)
    await bench.oversee()
    given(bench, 1_000_000)
    await bench.oversee()
    assert bench.granted.state == "expired"
    assert "0 audit rows since" in bench.granted.reason


async def test_recent_rows_that_do_not_show_it_end_it_and_are_spent(bench: Bench) -> None:
    # Not so bad that the running test suspends, too bad for the bound.
    bench.labels.add(later(bench, 200, wrong=0.25))
    given(bench, bench.granted.expires_after_answers)

    await bench.oversee()

    assert bench.granted.state == "expired"
    assert "do not show 0.2 anew" in bench.granted.reason
    ledger = bench.guarantees.ledger(OWNER.key)
    assert (ledger.attempts, ledger.young_since) == (2, bench.clock.now())


async def test_a_clock_that_went_back_behind_the_grant_ends_it(bench: Bench) -> None:
    bench.clock.wall -= 30.0
    assert not await bench.oversee()
    bench.clock.wall -= DAY
    await bench.oversee()
    assert bench.granted.state == "expired"
    assert "the clock went back" in bench.granted.reason


def from_a_file() -> Guarantee:
    return replace(
        GRANTED,
        task="topic",
        labels=LabelSource("gold"),
        audit_share=None,
        granted_at=1_800_000_000.0,
        expires_at=1e12,
    )


async def test_a_guarantee_from_a_file_of_labels_is_suspended_by_other_traffic(
    bench: Bench,
) -> None:
    ledger = AttemptLedger(attempts=2, attempts_since=2)
    bench.guarantees.save(from_a_file(), ledger)
    bench.guarantees.warn("topic", from_a_file().granted_at, "other traffic")

    await bench.oversee()

    found = bench.guarantees.load("topic")
    assert found is not None
    assert (found.state, found.reason) == ("suspended", "other traffic")
    # The file may come again, so what earlier attempts have told of it still counts.
    assert bench.guarantees.ledger("topic") == ledger


async def test_a_guarantee_from_a_file_of_labels_expires_by_its_answers(bench: Bench) -> None:
    bench.guarantees.save(from_a_file())
    bench.guarantees.count(1, {from_a_file().grant: (99_000, 1_000)})

    await bench.oversee()

    found = bench.guarantees.load("topic")
    assert found is not None
    assert found.state == "expired"


async def test_after_an_alarm_more_is_audited_until_enough_rows_were_quiet(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "QUIET_ROWS", 50)
    assert bench.granted.audit_share == 0.02
    bench.guarantees.warn(OWNER.key, bench.granted.granted_at, "other traffic")
    await bench.oversee()
    bench.clock.advance(10.0)
    bench.labels.add(later(bench, 900, first=60_000))
    bench.clock.advance(2_000.0)
    await bench.learner.round()

    again = bench.granted
    assert (again.state, again.audit_share, again.alarms) == ("granted", 0.04, 1)

    # Rows of before the grant say nothing; these do.
    bench.labels.add(later(bench, 49, first=70_000))
    assert not await bench.oversee()
    bench.labels.add(later(bench, 5, first=80_000))
    assert await bench.oversee()

    calm = bench.granted
    assert (calm.state, calm.audit_share, calm.alarms) == ("granted", 0.02, 0)
    # Another share is another sample.
    assert calm.audit_stratum == again.audit_stratum + 1
    assert "audit share" in bench.rebuilt[-1]
    assert bench.revoked == [bench.revoked[0]]


async def test_labels_that_begin_to_speak_against_it_raise_the_share_once(bench: Bench) -> None:
    bad = [replace(row, label="other") for row in later(bench, 40)]
    doubtful = 0
    while bench.granted.audit_share == 0.02:
        bench.labels.add(bad[doubtful : doubtful + 1])
        doubtful += 1
        await bench.oversee()
    assert (bench.granted.state, bench.granted.audit_share) == ("granted", 0.04)
    assert (bench.granted.is_warned, bench.granted.alarms) == (True, 1)
    assert not await bench.oversee()


async def test_another_share_by_the_operator_begins_another_sample(bench: Bench) -> None:
    before = bench.granted
    bench.config = CONFIG.replace(b"max_error: 0.2", b"max_error: 0.2, audit_share: 0.1")
    assert await bench.oversee()
    after = bench.granted
    assert (after.audit_share, after.audit_stratum) == (0.1, before.audit_stratum + 1)
    assert after.granted_at == before.granted_at
    assert not await bench.oversee()
