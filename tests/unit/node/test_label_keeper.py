"""Which rows the keeper of labels calls urgent."""

from dataclasses import replace

import pytest

from tests.guarantees import GRANTED
from tests.label_rows import a_label
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.domain.label import Owner
from tidegate.node.label_keeper import LabelKeeper

OWNER = Owner("intent", "acme")
LABELS = replace(GRANTED.labels, upstream="far", model="gpt")


@pytest.fixture
def keeper() -> LabelKeeper:
    made = LabelKeeper(never_opened, 10)
    made.verdicts = {OWNER: replace(GRANTED, labels=LABELS)}
    return made


def never_opened() -> SqliteLabels:
    raise AssertionError("no row is written here")


def test_another_model_of_the_same_upstream_is_urgent(keeper: LabelKeeper) -> None:
    keeper.offer(a_label(owner=OWNER, upstream="far", model="gpt-next"))
    assert keeper.urgent.is_set()


@pytest.mark.parametrize(
    ("owner", "upstream", "model"),
    [
        (OWNER, "far", "gpt"),
        (OWNER, "near", "gpt-next"),
        (Owner("intent", "other"), "far", "gpt-next"),
    ],
    ids=["the same model", "another upstream", "no guarantee"],
)
def test_all_else_waits_its_turn(
    keeper: LabelKeeper, owner: Owner, upstream: str, model: str
) -> None:
    keeper.offer(a_label(owner=owner, upstream=upstream, model=model))
    assert not keeper.urgent.is_set()


def test_what_is_suspended_cannot_be_suspended_again(keeper: LabelKeeper) -> None:
    keeper.verdicts = {OWNER: replace(GRANTED, labels=LABELS, state="suspended")}
    keeper.offer(a_label(owner=OWNER, upstream="far", model="gpt-next"))
    assert not keeper.urgent.is_set()
