"""What becomes a label row, of which origin, and what goes up to be audited."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.gateway.fakes import a_request
from tidegate.adapters.stores.memory_labels import MemoryLabels
from tidegate.domain.encoding import Encoding
from tidegate.domain.exchange import SharedKeys
from tidegate.domain.learn_policy import LearnPolicy, LearnRole
from tidegate.domain.question import Decision, Option, Question, Refusal
from tidegate.domain.request import Decisions
from tidegate.gateway.collect import Collector, Seen, label_of
from tidegate.gateway.learned import Learned
from tidegate.learning.audit import Keys, cluster, derive, role

QUESTION = Question("choice", "intent", "What?", (Option("order"), Option("refund")))
ASK = Decisions((QUESTION,), "Where is my order?")
REFUND = Decision((0.25, 0.75), 0.75)


class NoEncoder:
    """Has a name and a fingerprint; the texts here are encoded already."""

    name = "encoder"
    fingerprint = "e" * 64


def seen(**changes: Any) -> Seen:
    plain = Seen(
        request=a_request(),
        ask=ASK,
        learned=Learned(LearnPolicy(twice_share=0.0)),
        encoder=NoEncoder(),  # type: ignore[arg-type]  # nothing is encoded
        generation=1,
        zone="eu",
        region="eu-west",
        lot=0.9,
        is_cached=False,
        upstream="far",
        model="gpt",
        route="decider",
        answers=(REFUND,),
        local=frozenset(),
        looked=frozenset(),
        is_replayed_local=False,
        encoding=Encoding(np.full(4, 0.5, dtype=np.float32), 5, is_truncated=False),
    )
    return replace(plain, **changes)


@pytest.fixture
def sink() -> MemoryLabels:
    return MemoryLabels()


@pytest.fixture
def collector(sink: MemoryLabels) -> Collector:
    return Collector(derive(b"p" * 32), sink)


async def test_while_nothing_is_answered_here_every_request_is_an_audit_row(
    collector: Collector, sink: MemoryLabels
) -> None:
    await collector.take(seen())
    (row,) = sink.rows
    assert (row.origin, row.share, row.label) == ("audit", 1.0, "refund")
    assert (row.upstream, row.model, row.tenant) == ("far", "gpt", "default")
    assert row.owner.task.startswith("auto-")
    assert row.text is None


async def test_what_a_head_looked_at_and_sent_up_is_no_sample_unless_it_was_drawn(
    collector: Collector, sink: MemoryLabels
) -> None:
    looked = seen(looked=frozenset({0}))
    await collector.take(looked)
    await collector.take(replace(looked, lot=0.01))
    assert [(row.origin, row.share) for row in sink.rows] == [("escalated", 0.0), ("audit", 0.02)]


@pytest.mark.parametrize("how", [{"local": frozenset({0})}, {"is_replayed_local": True}])
async def test_an_own_answer_is_never_its_own_label(
    collector: Collector, sink: MemoryLabels, how: dict[str, Any]
) -> None:
    await collector.take(seen(**how))
    assert (sink.rows, collector.audits.qsize()) == ([], 0)

    await collector.take(seen(lot=0.01, **how))
    assert sink.rows == []
    assert collector.audits.get_nowait().indexes == (0,)


async def test_an_own_answer_is_kept_for_feedback_without_its_text(
    collector: Collector, sink: MemoryLabels
) -> None:
    await collector.take(seen(local=frozenset({0})))
    (kept,) = sink.answers
    assert (kept.origin, kept.share, kept.label, kept.text) == ("local", 0.0, "refund", None)


@pytest.mark.parametrize(
    "how",
    [
        {"learned": Learned(LearnPolicy(feedback_days=0.0))},
        {"encoding": None},
        {"answers": (Refusal("no"),)},
        {"encoding": Encoding(np.full(4, 0.5, dtype=np.float32), 5, is_truncated=True)},
    ],
)
async def test_where_feedback_is_off_or_the_vector_unknown_nothing_is_kept(
    collector: Collector, sink: MemoryLabels, how: dict[str, Any]
) -> None:
    await collector.take(seen(local=frozenset({0}), **how))
    assert (sink.answers, sink.rows) == ([], [])


async def test_a_refusal_is_no_label(collector: Collector, sink: MemoryLabels) -> None:
    await collector.take(seen(answers=(Refusal("no"),)))
    assert sink.rows == []


async def test_questions_beyond_the_bound_are_not_learned() -> None:
    full = MemoryLabels(most_owners=0)
    collector = Collector(derive(b"p" * 32), full)
    await collector.take(seen())
    assert full.rows == []
    assert collector.lost["too many tasks"] == 1


async def test_a_text_is_kept_where_its_tenant_allows_it(
    collector: Collector, sink: MemoryLabels
) -> None:
    policy = LearnPolicy(twice_share=0.0, keep_text=frozenset({"default"}))
    await collector.take(seen(learned=Learned(policy)))
    assert [row.text for row in sink.rows] == ["Where is my order?"]


async def test_an_upstream_is_asked_twice_about_what_it_labelled(
    collector: Collector, sink: MemoryLabels
) -> None:
    await collector.take(seen(learned=Learned(LearnPolicy(twice_share=1.0))))
    assert len(sink.rows) == 1
    assert collector.audits.get_nowait().is_repeat


SHARED = SharedKeys(b"g" * 32, b"r" * 32, b"u" * 32)


def policy(role: LearnRole, shared: SharedKeys | None = SHARED, **settings: Any) -> Learned:
    return Learned(LearnPolicy(role=role, shared=shared, **settings))


async def test_rows_for_another_node_are_hashed_under_its_keys(
    collector: Collector, sink: MemoryLabels
) -> None:
    await collector.take(seen())
    await collector.take(seen(learned=policy("collect")))
    own, sent = sink.rows
    assert (own.hashed_for, sent.hashed_for) == (None, SHARED.id)
    keys = Keys(b"", SHARED.group, SHARED.role, SHARED.user)
    assert sent.cluster == cluster(keys, "Where is my order?") != own.cluster
    assert (sent.group, sent.role) == (sent.cluster, role(keys, sent.cluster))


async def test_rows_before_the_learner_was_heard_cannot_travel(
    collector: Collector, sink: MemoryLabels
) -> None:
    await collector.take(seen(learned=policy("collect", None)))
    await collector.take(seen())
    early, own = sink.rows
    assert (early.hashed_for, early.cluster) == ("", own.cluster)


async def test_a_node_that_only_serves_keeps_nothing_of_what_it_forwards(
    collector: Collector, sink: MemoryLabels
) -> None:
    await collector.take(seen(learned=policy("serve")))
    assert sink.rows == []
    local = seen(learned=policy("serve", audit_share=1.0), local=frozenset({0}))
    await collector.take(local)
    assert collector.audits.get_nowait().indexes == (0,)


async def test_the_noise_of_an_upstream_is_measured_where_it_is_learned(
    collector: Collector, sink: MemoryLabels
) -> None:
    await collector.take(seen(learned=policy("collect", twice_share=1.0)))
    assert len(sink.rows) == 1
    assert collector.audits.empty()


@pytest.mark.parametrize(("probability", "label"), [(0.5, True), (0.49, False)])
def test_a_predicate_s_label_is_its_side(probability: float, label: bool) -> None:
    predicate = Question("predicate", None, "It is late.")
    assert label_of(predicate, Decision((probability,), 0.5)) is label
