"""Label rows to columns and back: what is personal is sealed, the rest says whose row it is."""

import hmac
from collections.abc import Sequence

import msgspec
import numpy as np

from tidegate.adapters.sealing import TenantKeys
from tidegate.domain.label import LabelRow, Origin, Owner, Role
from tidegate.domain.question import ChoiceValue
from tidegate.errors import StateError

INTO = """
    (
        row_id, task, owner, tenant, question, origin, role, user_group, cluster, user, class,
        priority, upstream, model, time, zone, region, language, encoder, generation, share,
        stratum, sealed
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
"""What `columns` gives, for an INSERT."""
COLUMNS = """
    row_id, task, owner, tenant, question, origin, role, user_group, cluster, user, upstream, model,
    time, zone, region, language, encoder, generation, share, stratum, sealed
"""


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What only the holder of the tenant's key can read."""

    label: str | bool
    probabilities: tuple[float, ...]
    vector: bytes
    """float16, little-endian."""
    grams: bytes
    """uint32, little-endian."""
    text: str | None = None


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Sealed).decode


class RowCodec:
    """Seals and opens rows of one store."""

    def __init__(self, keys: TenantKeys, secret: bytes) -> None:
        """`secret` keys the hashes of classes; one who only reads needs none."""
        self._keys = keys
        self._secret = secret

    def columns(self, row: LabelRow) -> tuple[object, ...]:
        """Give the values of `INSERT`, the personal ones sealed."""
        sealed = _Sealed(
            row.label,
            row.probabilities,
            row.vector.astype("<f2").tobytes(),
            np.array(row.grams, "<u4").tobytes(),
            row.text,
        )
        hashed = self.class_of(row)
        # SQLite's integers are signed.
        priority = int.from_bytes(self._hmac(f"priority {row.row_id}")[:8], "big") >> 1
        return (
            row.row_id,
            row.owner.task,
            row.owner.tenant,
            row.tenant,
            row.question,
            row.origin,
            row.role,
            row.group,
            row.cluster,
            row.user,
            hashed,
            priority,
            row.upstream,
            row.model,
            row.time,
            row.zone,
            row.region,
            row.language,
            row.encoder,
            row.generation,
            row.share,
            row.stratum,
            self._keys.seal(row.tenant, _ENCODE(sealed), row.row_id.encode()),
        )

    def row(self, columns: Sequence[object]) -> LabelRow:
        """Read a row as selected with `COLUMNS`; raises StateError."""
        stored = msgspec.convert(columns, _Columns)
        content = self._keys.open(stored.tenant, stored.sealed, stored.row_id.encode())
        try:
            sealed = _DECODE(content)
        except msgspec.DecodeError as error:
            raise StateError(f"the label {stored.row_id} cannot be read: {error}") from error
        return LabelRow(
            row_id=stored.row_id,
            owner=Owner(stored.task, stored.owner),
            tenant=stored.tenant,
            question=stored.question,
            origin=stored.origin,
            role=stored.role,
            group=stored.group,
            cluster=stored.cluster,
            user=stored.user,
            label=sealed.label,
            probabilities=sealed.probabilities,
            vector=np.frombuffer(sealed.vector, "<f2").astype(np.float32),
            upstream=stored.upstream,
            model=stored.model,
            time=stored.time,
            zone=stored.zone,
            region=stored.region,
            encoder=stored.encoder,
            generation=stored.generation,
            share=stored.share,
            stratum=stored.stratum,
            grams=tuple(np.frombuffer(sealed.grams, "<u4").tolist()),
            language=stored.language,
            text=sealed.text,
        )

    def class_of(self, row: LabelRow) -> bytes:
        """Hash the class of a row."""
        return self._class(row.owner, row.label)

    def _class(self, owner: Owner, label: ChoiceValue) -> bytes:
        return self._hmac(f"class {owner.key} {type(label).__name__} {label}")[:8]

    def _hmac(self, what: str) -> bytes:
        return hmac.digest(self._secret, what.encode(), "sha256")


class _Columns(msgspec.Struct, frozen=True, array_like=True):
    """One row as selected with `COLUMNS`."""

    row_id: str
    task: str
    owner: str
    tenant: str
    question: str
    origin: Origin
    role: Role
    group: bytes
    cluster: bytes
    user: bytes | None
    upstream: str
    model: str
    time: float
    zone: str
    region: str
    language: str
    encoder: str
    generation: int
    share: float
    stratum: int
    sealed: bytes
