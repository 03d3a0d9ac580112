"""A bundle as files: `manifest.json` and one file a part, read and written without trusting any.

The parts are in `parts/`. Nothing here touches a disk: folders are `adapters/bundles/folder.py`.
Only JSON and npy, never pickle. A reader refuses a `format` that it does not know, so the format
can grow; format 1 had the head and no other part.
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Literal

import msgspec

from tidegate.bundles.parts import head as head_part
from tidegate.bundles.parts import ngrams as ngrams_part
from tidegate.bundles.parts import novelty as novelty_part
from tidegate.bundles.parts import static as static_part
from tidegate.bundles.parts.arrays import REMEDY
from tidegate.domain.bundle import (
    PLAIN_NAME,
    VERSION,
    Bundle,
    Golden,
    Head,
    Metrics,
    Novelty,
    Provenance,
    StaticHead,
)
from tidegate.errors import BundleError

FORMAT: Literal[2] = 2
MANIFEST = "manifest.json"
HASH_DIGITS = 12


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file beside the manifest."""

    name: str
    sha256: str
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `manifest.json` holds."""

    format: Literal[1, 2]
    name: str
    version: str
    content_hash: str
    created: float
    encoder: str
    head: head_part.Entry
    ngrams: ngrams_part.Entry | None = None
    static: static_part.Entry | None = None
    novelty: novelty_part.Entry | None = None
    questions: tuple[str, ...]
    metrics: Metrics
    provenance: Provenance
    golden: tuple[Golden, ...]
    licence: str | None
    files: tuple[FileEntry, ...]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that has no version yet."""

    name: str
    created: float
    encoder: str
    head: Head
    questions: tuple[str, ...]
    metrics: Metrics
    provenance: Provenance
    golden: tuple[Golden, ...]
    licence: str | None = None
    static: StaticHead | None = None
    novelty: Novelty | None = None


def pack(draft: Draft, number: int) -> tuple[str, dict[str, bytes]]:
    """Give the version, `NUMBER-HASH`, and the content of each file of the new bundle."""
    check_name(draft.name)
    files: dict[str, bytes] = {}
    manifest = Manifest(
        format=FORMAT,
        name=draft.name,
        version="",
        content_hash="",
        created=draft.created,
        encoder=draft.encoder,
        head=head_part.write(draft.head, files),
        ngrams=ngrams_part.write(draft.head.ngrams, files),
        static=static_part.write(draft.static, files),
        novelty=novelty_part.write(draft.novelty, files),
        questions=draft.questions,
        metrics=draft.metrics,
        provenance=draft.provenance,
        golden=draft.golden,
        licence=draft.licence,
        files=(),
    )
    manifest = msgspec.structs.replace(manifest, files=_entries(files))
    content_hash = _content_hash(msgspec.json.encode(manifest))
    version = f"{number}-{content_hash[:HASH_DIGITS]}"
    manifest = msgspec.structs.replace(manifest, version=version, content_hash=content_hash)
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    return version, {MANIFEST: text + b"\n", **files}


def unpack(files: Mapping[str, bytes], *, name: str, version: str) -> Bundle:
    """Read a bundle from the content of its files and check all that can be checked.

    `name` and `version` are those under which it was found. Raises BundleError.
    """
    where = f"Bundle `{name}` {version}"
    manifest = _read_manifest(files, where)
    if (manifest.name, manifest.version) != (name, version):
        raise BundleError(f"{where}: its manifest says `{manifest.name}` {manifest.version}.")
    if _content_hash(files[MANIFEST]) != manifest.content_hash or not version.endswith(
        f"-{manifest.content_hash[:HASH_DIGITS]}"
    ):
        raise BundleError(f"{where}: the manifest was altered; {REMEDY}")
    _check_files(manifest, files, where)
    labels, dimensions = len(manifest.head.labels), manifest.head.dimensions
    head = head_part.read(manifest.head, files, where=where)
    ngrams = ngrams_part.read(manifest.ngrams, files, labels=labels, where=where)
    _check_golden(manifest.golden, labels, where)
    return Bundle(
        name=name,
        version=version,
        content_hash=manifest.content_hash,
        created=manifest.created,
        encoder=manifest.encoder,
        head=replace(head, ngrams=ngrams),
        questions=manifest.questions,
        metrics=manifest.metrics,
        provenance=manifest.provenance,
        golden=manifest.golden,
        licence=manifest.licence,
        static=static_part.read(manifest.static, files, labels=labels, where=where),
        novelty=novelty_part.read(
            manifest.novelty, files, dimensions=dimensions, labels=labels, where=where
        ),
    )


def named(files: Mapping[str, bytes], where: str) -> tuple[str, str]:
    """Give name and version that files say they are of; nothing else is checked."""
    manifest = _read_manifest(files, where)
    check_name(manifest.name)
    if not VERSION.fullmatch(manifest.version):
        raise BundleError(f"{where}: {manifest.version!r} is not a version of a bundle.")
    return manifest.name, manifest.version


def renumbered(files: Mapping[str, bytes], number: int) -> tuple[str, dict[str, bytes]]:
    """Give checked files another number; their content hash does not cover it and stays."""
    manifest = _read_manifest(files, "the bundle")
    version = f"{number}-{manifest.content_hash[:HASH_DIGITS]}"
    document = msgspec.json.decode(files[MANIFEST], type=dict[str, object])
    text = msgspec.json.format(msgspec.json.encode(document | {"version": version}), indent=1)
    return version, {**files, MANIFEST: text + b"\n"}


def check_name(name: str) -> None:
    """Refuse a name that is not a plain one."""
    if not PLAIN_NAME.fullmatch(name):
        raise BundleError(
            f"{name!r} cannot name a bundle; use 1 to 64 of a-z, 0-9, `.`, `_`, `-`,"
            " starting with a letter or digit."
        )


def check_encoder(bundle: Bundle, encoder: str) -> None:
    """Refuse a bundle whose head reads the vectors of another encoder."""
    if bundle.encoder != encoder:
        raise BundleError(
            f"Bundle `{bundle.name}` {bundle.version} was fitted on vectors of another encoder"
            f" ({bundle.encoder[:HASH_DIGITS]}, here {encoder[:HASH_DIGITS]});"
            " train it again: tidegate train FILE.jsonl --task NAME"
        )


def _read_manifest(files: Mapping[str, bytes], where: str) -> Manifest:
    text = files.get(MANIFEST)
    if text is None:
        raise BundleError(f"{where} has no {MANIFEST}; {REMEDY}")
    try:
        return msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{where}: {MANIFEST} cannot be read: {error}; {REMEDY}") from error


def _content_hash(text: bytes) -> str:
    """Hash all that makes two bundles differ in what they answer or where they come from.

    Of the document as it stands, so that a field of a later version changes no hash of before.
    """
    document = msgspec.json.decode(text, type=dict[str, object])
    content = document | {"version": "", "content_hash": "", "created": 0.0}
    return sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def _parts(manifest: Manifest) -> list[str]:
    """List the files that the parts of this manifest need."""
    ngrams = [] if manifest.ngrams is None else [ngrams_part.FILE]
    novelty = [] if manifest.novelty is None else [novelty_part.FILE]
    return [head_part.FILE, *ngrams, *static_part.names(manifest.static), *novelty]


def _entries(files: Mapping[str, bytes]) -> tuple[FileEntry, ...]:
    return tuple(
        FileEntry(name=name, sha256=sha256(content).hexdigest(), size_bytes=len(content))
        for name, content in files.items()
    )


def _check_files(manifest: Manifest, files: Mapping[str, bytes], where: str) -> None:
    needed = _parts(manifest)
    if manifest.format == 1 and needed != [head_part.FILE]:
        raise BundleError(f"{where}: format 1 has no part but the head; {REMEDY}")
    if sorted(entry.name for entry in manifest.files) != sorted(needed):
        listed = ", ".join(f"`{name}`" for name in needed)
        raise BundleError(f"{where}: the manifest must list exactly {listed}; {REMEDY}")
    strange = next((name for name in sorted(files) if name not in {MANIFEST, *needed}), None)
    if strange is not None:
        raise BundleError(f"{where}: `{strange}` is no part of it; remove it.")
    for entry in manifest.files:
        content = files.get(entry.name)
        if content is None:
            raise BundleError(f"{where}: `{entry.name}` is missing; {REMEDY}")
        if len(content) != entry.size_bytes or sha256(content).hexdigest() != entry.sha256:
            raise BundleError(f"{where}: `{entry.name}` does not match its sha256; {REMEDY}")


def _check_golden(golden: tuple[Golden, ...], labels: int, where: str) -> None:
    for one in golden:
        for scores in (one.probabilities, one.static):
            if scores is not None and not _is_one_a_label(scores, labels):
                raise BundleError(f"{where}: golden scores must be one probability a label.")


def _is_one_a_label(scores: tuple[float, ...], labels: int) -> bool:
    return len(scores) == labels and all(0.0 <= one <= 1.0 for one in scores)
