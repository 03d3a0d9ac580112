import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.records import a_record
from tidegate.domain.answer import Usage
from tidegate.domain.plan import Attempt
from tidegate.domain.question import QuestionTrace
from tidegate.domain.zone import Place
from tidegate.wire import journal


def test_a_full_record_survives_the_round_trip() -> None:
    record = a_record(
        attempts=(
            Attempt(
                "edge",
                "m",
                Place("pop", "eu", "eu"),
                "timeout",
                0.0,
                0.5,
                usage=Usage(7, 3, is_estimated=True),
                cost_micro_usd=9,
                cost_is_estimated=True,
            ),
        ),
        questions=(QuestionTrace("choice", "local", "confident", "t", "t@1", 0.98),),
        lossy=("probabilities",),
        abort_phase="streaming",
    )
    assert journal.decode(journal.encode(record)) == record


def test_a_line_from_before_attempts_had_a_cost_is_read() -> None:
    attempt = Attempt("edge", "m", Place("pop", "eu", "eu"), "ok", 0.0, 0.5)
    line = msgspec.json.decode(journal.encode(a_record(attempts=(attempt,))))
    for name in ("usage", "cost_micro_usd", "cost_is_estimated"):
        del line["attempts"][0][name]
    assert journal.decode(msgspec.json.encode(line)).attempts == (attempt,)


@given(st.text())
def test_any_text_in_a_field_stays_on_one_line(text: str) -> None:
    line = journal.encode(a_record(reason=text.encode("utf-8", "ignore").decode()))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


@given(st.binary(max_size=300))
def test_no_bytes_make_split_fail_and_none_are_read_twice(piece: bytes) -> None:
    lines = journal.split(piece)
    assert lines.consumed_bytes == piece.rfind(b"\n") + 1


def test_an_incomplete_last_line_is_left_for_later() -> None:
    whole, part = journal.encode(a_record("r1")), journal.encode(a_record("r2"))[:-1]
    lines = journal.split(whole + part)
    assert [record.request_id for record in lines.records] == ["r1"]
    assert (lines.consumed_bytes, lines.torn) == (len(whole), 0)


def test_a_field_that_a_newer_version_added_is_ignored() -> None:
    line = journal.encode(a_record())[:-2] + b',"later":1}\n'
    assert journal.decode(line) == a_record()


def test_a_line_that_is_no_record_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        journal.decode(b"{}")


def test_a_surrogate_in_a_field_is_replaced_and_the_record_kept() -> None:
    assert journal.decode(journal.encode(a_record(reason="a\udcffb"))).reason == "a?b"


def test_journals_are_told_apart_by_their_first_line() -> None:
    one, two = journal.encode(a_record("r1")), journal.encode(a_record("r2"))
    assert journal.identity(one) == journal.identity(one) != journal.identity(two)
