import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tidegate.bundles.manifest import (
    MANIFEST,
    Draft,
    _content_hash,
    check_encoder,
    check_name,
    pack,
    unpack,
)
from tidegate.bundles.parts.head import FILE as HEAD
from tidegate.domain.bundle import (
    Acceptance,
    Bundle,
    Calibration,
    Float32,
    Golden,
    Head,
    Metrics,
    NgramChannel,
    Novelty,
    OperatingPoint,
    Provenance,
    StaticHead,
    StaticMetrics,
)
from tidegate.errors import BundleError


def head(rows: int = 3, dimensions: int = 4, **changes: object) -> Head:
    generator = np.random.default_rng(1)
    made = Head(
        ("a", "b", True)[:rows],
        generator.normal(size=(rows, dimensions)).astype(np.float32),
        generator.normal(size=rows).astype(np.float32),
        Calibration(0.7, 0.1),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def draft(**changes: object) -> Draft:
    fields: dict[str, object] = {
        "name": "support",
        "created": 1.0,
        "encoder": "e" * 64,
        "head": head(),
        "questions": ("f" * 64,),
        "metrics": Metrics(10, 5, 0.9, 0.01, 0.02, (OperatingPoint(0.02, 0.8, 0.9),)),
        "provenance": Provenance("file", "0" * 64, 10),
        "golden": (Golden("a text", (0.5, 0.25, 0.25)),),
        **changes,
    }
    return Draft(**fields)  # type: ignore[arg-type]


def full_draft() -> Draft:
    """Make a draft with every optional part."""
    generator = np.random.default_rng(2)

    def matrix(rows: int, columns: int) -> Float32:
        return generator.normal(size=(rows, columns)).astype(np.float32)

    return draft(
        head=head(ngrams=NgramChannel("words-1-2", matrix(8, 3))),
        static=StaticHead(
            table="t" * 64,
            weights=matrix(3, 2),
            bias=matrix(1, 3)[0],
            calibration=Calibration(0.8, 0.0),
            threshold=0.9,
            metrics=StaticMetrics(0.93, 0.7, 0.96, 0.96),
            novelty=Novelty(
                matrix(2, 2), matrix(3, 2), matrix(1, 3)[0], Acceptance(0.2, 0.8, -0.1)
            ),
        ),
        novelty=Novelty(matrix(4, 4), matrix(3, 4), matrix(1, 3)[0], Acceptance(0.1, 0.9, -0.2)),
    )


FILES = ("head.npy", "ngrams.npy", "static.npy", "static_novelty.npy", "novelty.npy")


def npy_shape(content: bytes) -> tuple[int, int]:
    """Read the shape that the header of an npy file states."""
    rows, columns = np.load(io.BytesIO(content)).shape
    return rows, columns


def unpacked(version: str, files: Mapping[str, bytes]) -> Bundle:
    return unpack(files, name="support", version=version)


def test_what_is_packed_is_unpacked() -> None:
    version, files = pack(draft(), 3)
    bundle = unpacked(version, files)
    assert np.array_equal(bundle.head.weights, head().weights)
    assert np.array_equal(bundle.head.bias, head().bias)
    assert bundle.head.labels == ("a", "b", True)
    assert (bundle.head.calibration, bundle.golden) == (Calibration(0.7, 0.1), draft().golden)
    assert (bundle.metrics, bundle.questions) == (draft().metrics, ("f" * 64,))


def test_the_version_is_the_number_and_the_hash_of_the_content() -> None:
    version, files = pack(draft(), 3)
    assert version == f"3-{unpacked(version, files).content_hash[:12]}"


def test_the_same_content_has_the_same_hash_whenever_it_is_made() -> None:
    first, _ = pack(draft(created=1.0), 1)
    second, _ = pack(draft(created=2.0), 2)
    assert first.split("-")[1] == second.split("-")[1]


def test_weights_cannot_be_changed() -> None:
    bundle = unpacked(*pack(draft(), 1))
    with pytest.raises(ValueError, match="read-only"):
        bundle.head.weights[0, 0] = 1.0


def test_a_changed_weight_is_refused() -> None:
    version, files = pack(draft(), 1)
    content = bytearray(files[HEAD])
    content[-1] ^= 1
    with pytest.raises(BundleError, match="does not match its sha256"):
        unpacked(version, {**files, HEAD: bytes(content)})


def test_a_missing_file_is_refused() -> None:
    version, files = pack(draft(), 1)
    with pytest.raises(BundleError, match="is missing"):
        unpacked(version, {MANIFEST: files[MANIFEST]})
    with pytest.raises(BundleError, match="has no manifest"):
        unpacked(version, {})


def altered(change: Callable[[dict[str, object]], None]) -> tuple[str, dict[str, bytes]]:
    """Pack, and change the manifest without its hash."""
    version, files = pack(draft(), 1)
    manifest = json.loads(files[MANIFEST])
    change(manifest)
    return version, {**files, MANIFEST: json.dumps(manifest).encode()}


def test_an_altered_manifest_is_refused() -> None:
    with pytest.raises(BundleError, match="was altered"):
        unpacked(*altered(lambda manifest: manifest.update(encoder="0" * 64)))


@pytest.mark.parametrize("name", ["../evil.npy", "/etc/passwd", "other.npy"])
def test_a_file_name_that_leaves_the_folder_is_refused(name: str) -> None:
    def rename(manifest: dict[str, object]) -> None:
        manifest["files"] = [{"name": name, "sha256": "0" * 64, "size_bytes": 1}]

    with pytest.raises(BundleError):
        unpacked(*altered(rename))


def test_a_format_from_the_future_is_refused() -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        unpacked(*altered(lambda manifest: manifest.update(format=3)))


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        unpacked(*altered(lambda manifest: manifest.update(guarantee=True)))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_manifest_that_is_no_json_is_refused(content: bytes) -> None:
    version, files = pack(draft(), 1)
    with pytest.raises(BundleError):
        unpacked(version, {**files, MANIFEST: content})


def test_a_bundle_under_another_name_or_version_is_refused() -> None:
    version, files = pack(draft(), 1)
    with pytest.raises(BundleError, match="its manifest says"):
        unpack(files, name="other", version=version)
    with pytest.raises(BundleError, match="its manifest says"):
        unpacked(version.replace("1-", "2-"), files)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_refused(bad: float) -> None:
    weights = head().weights.copy()
    weights[1, 2] = bad
    with pytest.raises(BundleError, match="NaN or infinity"):
        unpacked(*pack(draft(head=head(weights=weights)), 1))


def test_a_head_without_a_row_for_each_label_is_refused() -> None:
    with pytest.raises(BundleError, match="expected"):
        unpacked(*pack(draft(head=head(labels=("a", "b"))), 1))


def test_labels_that_repeat_are_refused() -> None:
    with pytest.raises(BundleError, match="different labels"):
        unpacked(*pack(draft(head=head(labels=("a", "b", "a"))), 1))


@pytest.mark.parametrize("calibration", [Calibration(0.0, 0.0), Calibration(1.0, 1.0)])
def test_a_calibration_that_reorders_or_divides_by_zero_is_refused(
    calibration: Calibration,
) -> None:
    with pytest.raises(BundleError, match="temperature"):
        unpacked(*pack(draft(head=head(calibration=calibration)), 1))


def test_golden_scores_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(BundleError, match="golden"):
        unpacked(*pack(draft(golden=(Golden("a text", (0.5, 0.5)),)), 1))


def resigned(changes: Mapping[str, bytes], **fields: object) -> tuple[str, dict[str, bytes]]:
    """Put other files and fields in the place of those there were, under hashes that fit."""
    _, files = pack(full_draft(), 1)
    files |= changes
    manifest = json.loads(files.pop(MANIFEST)) | fields
    manifest["files"] = [
        {"name": name, "sha256": sha256(content).hexdigest(), "size_bytes": len(content)}
        for name, content in files.items()
        if name in changes or name in {one["name"] for one in manifest["files"]}
    ]
    digest = _content_hash(json.dumps(manifest).encode())
    version = f"1-{digest[:12]}"
    manifest |= {"content_hash": digest, "version": version}
    return version, {MANIFEST: json.dumps(manifest).encode(), **files}


@pytest.mark.parametrize("file", FILES)
def test_pickles_are_not_read(file: str) -> None:
    with pytest.raises(BundleError, match="not an npy file"):
        unpacked(*resigned({file: b"\x80\x04\x95\x00."}))


@pytest.mark.parametrize("file", FILES)
def test_a_header_that_promises_more_than_there_is_asks_for_no_memory(file: str) -> None:
    _, files = pack(full_draft(), 1)
    rows, columns = npy_shape(files[file])
    huge = files[file].replace(f"({rows}, {columns})".encode(), f"({rows}, 5{'0' * 12})".encode())
    with pytest.raises(BundleError, match="holds float32 "):
        unpacked(*resigned({file: huge}))
    with pytest.raises(BundleError, match="cut or too long"):
        unpacked(*resigned({file: files[file][:-4]}))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_none_is_refused_in_every_part(file: str, bad: float) -> None:
    _, files = pack(full_draft(), 1)
    content = files[file][:-4] + np.float32(bad).tobytes()
    with pytest.raises(BundleError, match=f"`{file}` holds NaN or infinity"):
        unpacked(*resigned({file: content}))


def test_every_part_comes_back_as_it_was() -> None:
    made, read = full_draft(), unpacked(*pack(full_draft(), 1))
    assert made.head.ngrams is not None
    assert read.head.ngrams is not None
    assert read.head.ngrams.scheme == "words-1-2"
    assert np.array_equal(read.head.ngrams.weights, made.head.ngrams.weights)
    assert made.static is not None
    assert read.static is not None
    assert np.array_equal(read.static.weights, made.static.weights)
    assert (read.static.table, read.static.calibration) == ("t" * 64, Calibration(0.8, 0.0))
    assert (read.static.threshold, read.static.metrics) == (0.9, made.static.metrics)
    assert made.novelty is not None
    assert read.novelty is not None
    assert np.array_equal(read.novelty.form, made.novelty.form)
    assert np.array_equal(read.novelty.slopes, made.novelty.slopes)
    assert np.array_equal(read.novelty.offsets, made.novelty.offsets)
    assert read.novelty.acceptance == Acceptance(0.1, 0.9, -0.2)


def test_a_bundle_without_optional_parts_has_none() -> None:
    read = unpacked(*pack(draft(), 1))
    assert (read.head.ngrams, read.static, read.novelty) == (None, None, None)


def test_a_part_that_is_listed_but_whose_file_is_not_is_refused() -> None:
    version, files = resigned({})
    del files["static.npy"]
    with pytest.raises(BundleError, match=r"`static\.npy` is missing"):
        unpacked(version, files)
    with pytest.raises(BundleError, match="must list exactly"):
        unpacked(*resigned({}, novelty=None))


def test_a_bundle_that_was_written_in_format_1_is_read() -> None:
    folder = Path(__file__).with_name("format_1")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    read = unpacked(json.loads(files[MANIFEST])["version"], files)
    assert np.array_equal(read.head.weights, head().weights)
    assert (read.head.ngrams, read.static, read.novelty) == (None, None, None)


def test_format_1_has_no_optional_part() -> None:
    with pytest.raises(BundleError, match="format 1"):
        unpacked(*resigned({}, format=1))


@pytest.mark.parametrize("buckets", [-4, 0, 1, 6, 2**19])
def test_a_number_of_buckets_that_is_no_power_of_two_is_refused(buckets: int) -> None:
    with pytest.raises(BundleError, match="power of two"):
        unpacked(*resigned({}, ngrams={"scheme": "words-1-2", "buckets": buckets}))


def test_a_head_for_another_encoder_is_refused_with_the_remedy() -> None:
    bundle = unpacked(*pack(draft(), 1))
    check_encoder(bundle, "e" * 64)
    with pytest.raises(BundleError, match="tidegate train"):
        check_encoder(bundle, "d" * 64)


@pytest.mark.parametrize("name", ["", "..", "a/b", "../a", ".a", "A", "a" * 65, "a..b", "a\n"])
def test_names_that_could_leave_a_folder_are_refused(name: str) -> None:
    with pytest.raises(BundleError, match="cannot name"):
        check_name(name)
