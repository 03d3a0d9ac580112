"""What nodes that share a learner send each other, as JSON.

Vectors travel as float16 and n-gram buckets as uint32, little-endian, as they are stored. Whose the
rows are is not in a body: it follows from the key and the header `x-tidegate-tenant`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from tidegate.domain.exchange import AuditCount, AuditReport, Offer, Offers, SharedKeys
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.question import Question
from tidegate.errors import MalformedAnswer
from tidegate.wire.typed import decode_request

MOST_ROWS = 500
MOST_COUNTS = 100
"""Strata of one report, each of as many audits as one look at the outbox takes, with room."""

_Hash = Annotated[bytes, Meta(min_length=8, max_length=64)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Finite = Annotated[float, Meta(ge=-1e15, le=1e15)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Few = Annotated[int, Meta(ge=0, le=1_000)]
_Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class LabelRowBody(msgspec.Struct, frozen=True, kw_only=True):
    """One label row: the redacted view of a request, and what an upstream said of it."""

    id: Annotated[str, Meta(min_length=1, max_length=160)]
    origin: Literal["audit", "escalated"]
    group: _Hash
    cluster: _Hash
    user: _Hash | None = None
    label: str | bool
    probabilities: Annotated[tuple[_Share, ...], Meta(max_length=1_000)] = ()
    vector: Annotated[bytes, Meta(min_length=2, max_length=65_536, description="float16.")]
    grams: Annotated[bytes, Meta(max_length=262_144, description="uint32.")] = b""
    upstream: _Name
    model: Annotated[str, Meta(max_length=256)]
    time: _Finite
    zone: _Name
    region: _Name
    language: Annotated[str, Meta(max_length=64)] = ""
    share: _Share
    stratum: _Count
    text: str | None = None


class LabelsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Label rows of one task and one tenant."""

    task: _Name
    question: Question
    encoder: Annotated[str, Meta(description="Fingerprint of the encoder of all vectors.")]
    rows: Annotated[tuple[LabelRowBody, ...], Meta(min_length=1, max_length=MOST_ROWS)]


class LabelsTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What came of them; it is durable when this is sent."""

    new: int
    """The others were there already."""
    object: Literal["labels"] = "labels"


class CountBody(msgspec.Struct, frozen=True, kw_only=True):
    """Audits of one stratum under one guarantee."""

    bundle: Annotated[str, Meta(min_length=1, max_length=64)]
    granted_at: _Finite
    stratum: Annotated[str, Meta(max_length=128)]
    seen: _Few
    accepted: _Few
    disagreed: _Few


class CountsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Audit counts of one task and one tenant."""

    id: Annotated[str, Meta(min_length=8, max_length=64, description="Stored once by it.")]
    task: _Name
    question: Question
    counts: Annotated[tuple[CountBody, ...], Meta(min_length=1, max_length=MOST_COUNTS)]


class CountsTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What came of them."""

    is_new: bool
    object: Literal["audits"] = "audits"


class PurgeBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of the tenant are to go; all of them where nothing is named."""

    user: Annotated[
        _Hash | None, Meta(description="Hash of an end user under the shared keys.")
    ] = None
    before: Annotated[
        _Finite | None, Meta(description="Received before, in seconds since the epoch.")
    ] = None


class PurgeDone(msgspec.Struct, frozen=True, kw_only=True):
    """What went."""

    rows: int
    object: Literal["purge"] = "purge"


class KeysBody(msgspec.Struct, frozen=True, kw_only=True):
    """Secrets under which all nodes of this learner hash groups, near-duplicates and end users."""

    group: _Hash
    role: _Hash
    user: _Hash


class OfferBody(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned for one task of one tenant; `*` for all tenants."""

    task: str
    tenant: str
    question: Question
    guarantee: Guarantee | None


class OffersBody(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a node may pull."""

    encoder: str
    zone: str
    keys: KeysBody | None
    tasks: tuple[OfferBody, ...]
    object: Literal["learned"] = "learned"


_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_LABELS = msgspec.json.Decoder(LabelsBody).decode
_COUNTS = msgspec.json.Decoder(CountsBody).decode
_PURGE = msgspec.json.Decoder(PurgeBody).decode
_OFFERS = msgspec.json.Decoder(OffersBody).decode
_TAKEN = msgspec.json.Decoder(LabelsTaken).decode


def encode_row(row: LabelRow) -> bytes:
    """Write one row; its size bounds a batch."""
    return _ENCODE(_row_body(row))


def encode_labels(owner: Owner, question: Question, rows: Sequence[LabelRow]) -> bytes:
    """Write a batch of rows of one owner, one tenant and one encoder."""
    return _ENCODE(
        LabelsBody(
            task=owner.task,
            question=question,
            encoder=rows[0].encoder,
            rows=tuple(_row_body(row) for row in rows),
        )
    )


def decode_labels(body: bytes) -> LabelsBody:
    """Read a batch; raises InvalidRequest naming the field."""
    return decode_request(_LABELS, body)


def encode_counts(report: AuditReport, question: Question) -> bytes:
    """Write audit counts."""
    return _ENCODE(
        CountsBody(
            id=report.report_id,
            task=report.owner.task,
            question=question,
            counts=tuple(
                CountBody(
                    bundle=one.bundle,
                    granted_at=one.granted_at,
                    stratum=one.stratum,
                    seen=one.seen,
                    accepted=one.accepted,
                    disagreed=one.disagreed,
                )
                for one in report.counts
            ),
        )
    )


def decode_counts(body: bytes) -> CountsBody:
    """Read audit counts; raises InvalidRequest."""
    return decode_request(_COUNTS, body)


def counts_of(body: CountsBody) -> tuple[AuditCount, ...]:
    """Give the counts of a report."""
    return tuple(
        AuditCount(one.bundle, one.granted_at, one.stratum, one.seen, one.accepted, one.disagreed)
        for one in body.counts
    )


def encode_purge(purge: Purge) -> bytes:
    """Write which rows are to go; of which tenant is in the header."""
    return _ENCODE(PurgeBody(user=purge.user, before=purge.before))


def decode_purge(body: bytes) -> PurgeBody:
    """Read a purge; raises InvalidRequest."""
    return decode_request(_PURGE, body)


def encode_offers(offers: Offers) -> bytes:
    """Write what a learner has; the same offers give the same bytes."""
    keys = offers.keys
    return _ENCODE(
        OffersBody(
            encoder=offers.encoder,
            zone=offers.zone,
            keys=None
            if keys is None
            else KeysBody(group=keys.group, role=keys.role, user=keys.user),
            tasks=tuple(
                OfferBody(
                    task=one.owner.task,
                    tenant=one.owner.tenant,
                    question=one.question,
                    guarantee=one.guarantee,
                )
                for one in offers.tasks
            ),
        )
    )


def decode_offers(body: bytes) -> Offers:
    """Read what a learner has; raises MalformedAnswer."""
    try:
        found = _OFFERS(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not a list of what was learned: {error}") from None
    keys = found.keys
    return Offers(
        encoder=found.encoder,
        zone=found.zone,
        keys=None if keys is None else SharedKeys(keys.group, keys.role, keys.user),
        tasks=tuple(
            Offer(Owner(one.task, one.tenant), one.question, one.guarantee) for one in found.tasks
        ),
    )


def encode_answer(answer: LabelsTaken | CountsTaken | PurgeDone) -> bytes:
    """Write what came of a request."""
    return _ENCODE(answer)


def decode_taken(body: bytes) -> int:
    """Read how many rows were new; raises MalformedAnswer."""
    try:
        return _TAKEN(body).new
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedAnswer(f"not an answer to label rows: {error}") from None


def vector_of(body: LabelRowBody) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Give a row's vector."""
    return np.frombuffer(body.vector, "<f2").astype(np.float32)


def grams_of(body: LabelRowBody) -> tuple[int, ...]:
    """Give a row's buckets of n-grams."""
    return tuple(np.frombuffer(body.grams, "<u4").tolist())


def _row_body(row: LabelRow) -> LabelRowBody:
    return LabelRowBody(
        id=row.row_id,
        origin="audit" if row.origin == "audit" else "escalated",
        group=row.group,
        cluster=row.cluster,
        user=row.user,
        label=row.label,
        probabilities=row.probabilities,
        vector=row.vector.astype("<f2").tobytes(),
        grams=np.array(row.grams, "<u4").tobytes(),
        upstream=row.upstream,
        model=row.model,
        time=row.time,
        zone=row.zone,
        region=row.region,
        language=row.language,
        share=row.share,
        stratum=row.stratum,
        text=row.text,
    )
