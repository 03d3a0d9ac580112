"""Labels as `tidegate labels` shows them."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from rich.table import Column, Table

from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.domain.label import LabelRow, Purged

_TITLES = ("task", "tenant", "labels", "fit", "calibrate", "test", "classes", "newest")


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one task of one tenant, by one encoder."""

    task: str
    tenant: str
    encoder: str
    rows: int
    fit: int
    calibrate: int
    test: int
    by_origin: dict[str, int]
    classes: int
    oldest: str | None
    newest: str | None


def counted(labels: SqliteLabels) -> list[Counted]:
    """Count what there is."""
    found = []
    for owner, encoder in labels.owners_by_encoder():
        counts = labels.counts(owner, encoder)
        found.append(
            Counted(
                task=owner.task,
                tenant=owner.tenant,
                encoder=encoder,
                rows=counts.rows,
                fit=counts.fit,
                calibrate=counts.calibrate,
                test=counts.test,
                by_origin=dict(counts.by_origin),
                classes=counts.classes,
                oldest=_when(counts.oldest_time),
                newest=_when(counts.newest_time),
            )
        )
    return found


def table(found: Sequence[Counted]) -> Table:
    """Lay counts out for a terminal."""
    made = Table(*(Column(title, no_wrap=True) for title in _TITLES))
    for one in found:
        numbers = (one.rows, one.fit, one.calibrate, one.test, one.classes)
        made.add_row(one.task, one.tenant, *(str(number) for number in numbers), one.newest or "")
    return made


def exported(row: LabelRow, *, with_vector: bool) -> str:
    """Give one row as JSON: what is known of a person, in words that a person can read."""
    shown: dict[str, object] = {
        "id": row.row_id,
        "task": row.owner.task,
        "tenant": row.tenant,
        "origin": row.origin,
        "role": row.role,
        "label": row.label,
        "probabilities": row.probabilities,
        "text": row.text,
        "upstream": row.upstream,
        "model": row.model,
        "time": _when(row.time),
        "zone": row.zone,
        "region": row.region,
        "language": row.language,
    }
    if with_vector:
        half = row.vector.astype("<f2").tobytes()
        shown["vector"] = base64.b64encode(half).decode("ascii")
    return msgspec.json.encode(shown).decode()


def told(purged: Purged) -> list[str]:
    """Say what was done."""
    lines = [f"{purged.rows} labels are gone."]
    lines += [f"The key of tenant `{tenant}` was destroyed." for tenant in purged.keys]
    lines += [
        f"Bundle `{mark.owner.key}` {mark.version} was fitted on them; a running node fits anew."
        for mark in purged.bundles
    ]
    return lines


def _when(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
