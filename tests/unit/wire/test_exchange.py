"""Label rows, counts and offers as bytes and back."""

import msgspec
import numpy as np
import pytest

from tests.guarantees import GRANTED
from tests.label_rows import a_label
from tidegate.domain.exchange import AuditCount, AuditReport, Offer, Offers, SharedKeys
from tidegate.domain.label import Owner, Purge
from tidegate.domain.question import Option, Question
from tidegate.errors import InvalidRequest, MalformedAnswer
from tidegate.wire.exchange import (
    MOST_ROWS,
    counts_of,
    decode_counts,
    decode_labels,
    decode_offers,
    decode_purge,
    encode_counts,
    encode_labels,
    encode_offers,
    encode_purge,
    grams_of,
    vector_of,
)

OWNER = Owner("support", "acme")
QUESTION = Question("choice", None, "What?", (Option("refund"), Option("other")))
KEYS = SharedKeys(b"g" * 32, b"r" * 32, b"u" * 32)


def test_a_row_comes_through_as_it_was() -> None:
    row = a_label(user=b"u" * 16, group=b"g" * 16, cluster=b"c" * 16, grams=(1, 70_000))
    body = decode_labels(encode_labels(OWNER, QUESTION, [row]))
    (found,) = body.rows
    assert (body.task, body.question, body.encoder) == ("support", QUESTION, row.encoder)
    assert np.array_equal(vector_of(found), row.vector)
    assert grams_of(found) == (1, 70_000)
    names = ("group", "cluster", "user", "label", "probabilities", "time", "zone", "share", "text")
    for name in names:
        assert getattr(found, name) == getattr(row, name), name
    assert found.id == row.row_id


def test_whose_rows_they_are_is_not_in_the_body() -> None:
    assert b"acme" not in encode_labels(OWNER, QUESTION, [a_label(group=b"g" * 16)])


def test_more_rows_than_allowed_are_refused() -> None:
    row = a_label(group=b"g" * 16, cluster=b"c" * 16)
    body = encode_labels(OWNER, QUESTION, [row] * (MOST_ROWS + 1))
    with pytest.raises(InvalidRequest) as refused:
        decode_labels(body)
    assert refused.value.param == "rows"


def test_a_row_without_its_group_is_refused() -> None:
    row = a_label(group=b"g" * 16, cluster=b"c" * 16)
    body = msgspec.json.decode(encode_labels(OWNER, QUESTION, [row]))
    del body["rows"][0]["group"]
    with pytest.raises(InvalidRequest) as refused:
        decode_labels(msgspec.json.encode(body))
    assert refused.value.param == "rows[0].group"


def test_counts_come_through_as_they_were() -> None:
    counts = (AuditCount("b" * 64, 7.5, "language=en", 10, 8, 1),)
    body = decode_counts(encode_counts(AuditReport("0" * 16, OWNER, counts), QUESTION))
    assert (body.id, body.task, counts_of(body)) == ("0" * 16, "support", counts)


def test_a_purge_names_no_tenant() -> None:
    body = encode_purge(Purge(tenant="acme", user=b"u" * 16, before=5.0))
    assert b"acme" not in body
    assert (decode_purge(body).user, decode_purge(body).before) == (b"u" * 16, 5.0)


@pytest.mark.parametrize("keys", [KEYS, None])
def test_offers_come_through_as_they_were(keys: SharedKeys | None) -> None:
    tasks = (Offer(OWNER, QUESTION, GRANTED), Offer(Owner("auto-1", "*"), QUESTION, None))
    offers = Offers("e" * 64, "eu", keys, tasks)
    assert decode_offers(encode_offers(offers)) == offers
    assert encode_offers(offers) == encode_offers(offers)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"encoder": 1}', b"<html>"])
def test_anything_else_is_no_offer(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        decode_offers(body)


def test_keys_are_named_and_not_shown() -> None:
    assert KEYS.id != SharedKeys(b"g" * 32, b"r" * 32, b"v" * 32).id
    assert "ggg" not in repr(KEYS)
