from dataclasses import dataclass

from tidegate.api.crowd import EXTRA, Crowd


@dataclass(eq=False)
class Guest:
    """Implements `crowd.Guest`."""

    idle: tuple[bool, float] | None = None
    is_gone: bool = False

    def idle_until(self) -> tuple[bool, float] | None:
        return self.idle

    def dismiss(self) -> None:
        self.is_gone = True


def filled(crowd: Crowd, *guests: Guest) -> None:
    for guest in guests:
        assert crowd.enter(guest)


def test_up_to_the_limit_everybody_is_in() -> None:
    crowd = Crowd(3)
    filled(crowd, Guest(), Guest(), Guest())
    assert len(crowd) == 3


def test_the_one_that_has_been_idle_longest_makes_room() -> None:
    crowd = Crowd(3)
    busy, older, newer = Guest(), Guest((False, 5.0)), Guest((False, 9.0))
    filled(crowd, busy, newer, older)

    assert crowd.enter(Guest())
    assert (busy.is_gone, older.is_gone, newer.is_gone) == (False, True, False)


def test_one_that_has_never_asked_goes_after_those_that_have() -> None:
    crowd = Crowd(2)
    silent, idle = Guest((True, 1.0)), Guest((False, 70.0))
    filled(crowd, silent, idle)

    assert crowd.enter(Guest())
    assert (silent.is_gone, idle.is_gone) == (False, True)


def test_when_all_are_at_work_a_new_one_is_beyond_the_limit() -> None:
    crowd = Crowd(1)
    filled(crowd, Guest())
    assert not crowd.enter(Guest())


def test_those_beyond_the_limit_are_bounded_and_the_oldest_goes() -> None:
    crowd = Crowd(1)
    filled(crowd, Guest())
    extra = [Guest() for _ in range(EXTRA + 1)]
    for guest in extra:
        assert not crowd.enter(guest)
    assert [guest.is_gone for guest in extra] == [True] + [False] * EXTRA
    assert len(crowd) == 1 + EXTRA


def test_who_leaves_makes_room() -> None:
    crowd = Crowd(1)
    first, extra = Guest(), Guest()
    filled(crowd, first)
    crowd.enter(extra)
    crowd.leave(first)
    crowd.leave(extra)
    assert len(crowd) == 0
    assert crowd.enter(Guest())


def test_room_is_made_for_more_than_one_at_a_time() -> None:
    crowd = Crowd(64)
    guests = [Guest((False, float(number))) for number in range(64)]
    filled(crowd, *guests)
    assert crowd.enter(Guest())
    assert [guest.is_gone for guest in guests[:3]] == [True, True, False]
