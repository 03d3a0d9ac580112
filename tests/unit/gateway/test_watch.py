"""What a serving process keeps of guarantees beyond its generations."""

from dataclasses import replace

from tests.guarantees import GRANTED
from tests.unit.tasks.test_classify import loaded
from tidegate.gateway.watch import Watch


def test_what_was_revoked_answers_no_more_in_any_generation() -> None:
    watch, task = Watch(), replace(loaded(), guarantee=GRANTED)
    assert watch.standing(task) is task

    watch.revoke(GRANTED.grant)

    found = watch.standing(task).guarantee
    assert found is not None
    assert found.state == "suspended"
    assert not watch.allows((GRANTED.grant,))


def test_what_is_confirmed_again_answers_again() -> None:
    watch = Watch()
    watch.revoke(GRANTED.grant)
    watch.restore(replace(GRANTED, granted_at=1.0).grant)
    assert not watch.allows((GRANTED.grant,))
    watch.restore(GRANTED.grant)
    assert watch.allows((GRANTED.grant,))


def test_a_later_grant_of_the_same_task_answers_again_whatever_the_clock_says() -> None:
    watch = Watch()
    watch.revoke(GRANTED.grant)
    for moved in (60.0, -60.0):
        later = replace(GRANTED, granted_at=GRANTED.granted_at + moved)
        assert watch.allows((later.grant,))


def test_delivered_answers_are_counted_until_somebody_takes_the_counts() -> None:
    watch = Watch()
    watch.delivered((GRANTED.grant, GRANTED.grant))
    watch.delivered(())
    assert watch.taken() == {GRANTED.grant: 2}
    assert watch.taken() == {}
