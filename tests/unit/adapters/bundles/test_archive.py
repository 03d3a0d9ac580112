"""One version of a bundle as one file, and what is refused as such."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tidegate.adapters.bundles.archive import MOST_BYTES, read_archive, write_archive
from tidegate.errors import BundleError, StateError

FILES = {"head.npy": b"weights", "manifest.json": b"{}", "ngrams.npy": b"more"}


def tar(members: Mapping[str, bytes] | list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    if isinstance(members, Mapping):
        members = [(plain(name, content), content) for name, content in members.items()]
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def plain(name: str, content: bytes = b"") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", b"{}")
    return buffer.getvalue()


def test_what_is_written_comes_back_manifest_first(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    size = write_archive(path, FILES)

    assert size == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(read_archive(path).items()) == [
        ("manifest.json", b"{}"),
        ("head.npy", b"weights"),
        ("ngrams.npy", b"more"),
    ]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar", FILES)
    write_archive(tmp_path / "b.tar", dict(reversed(FILES.items())))

    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


MANIFEST = {"manifest.json": b"{}"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive at all",
        zipped(),
        gzip.compress(tar(FILES)),
        tar(FILES)[:600],
        tar({}),
        tar({"head.npy": b"x", **MANIFEST}),
        tar({**MANIFEST, "../evil": b"x"}),
        tar({**MANIFEST, "/etc/evil": b"x"}),
        tar({**MANIFEST, "folder/head.npy": b"x"}),
        tar({**MANIFEST, ".hidden": b"x"}),
        tar([(plain("manifest.json"), b""), (link("head.npy", tarfile.SYMTYPE), b"")]),
        tar([(plain("manifest.json"), b""), (link("head.npy", tarfile.LNKTYPE), b"")]),
        tar([(plain("manifest.json"), b""), (link("head.npy", tarfile.DIRTYPE), b"")]),
        tar([(plain("manifest.json"), b""), (link("head.npy", tarfile.FIFOTYPE), b"")]),
        tar([(plain("manifest.json"), b"")] * 2),
        tar({**MANIFEST, **{f"f{i}": b"" for i in range(16)}}),
    ],
)
def test_what_is_not_exactly_an_archive_of_a_bundle_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)

    with pytest.raises(BundleError, match=r"a\.tar"):
        read_archive(path)


def test_a_size_that_is_only_claimed_is_refused_before_it_is_read(tmp_path: Path) -> None:
    info = plain("head.npy")
    info.size = MOST_BYTES + 1
    path = tmp_path / "a.tar"
    path.write_bytes(tar([(plain("manifest.json"), b"")])[:512] + info.tobuf() + b"\0" * 1024)

    with pytest.raises(BundleError, match="more than"):
        read_archive(path)


def test_no_such_file_and_no_place_for_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no file"):
        read_archive(tmp_path / "none.tar")
    with pytest.raises(StateError, match="cannot be written"):
        write_archive(tmp_path / "none" / "a.tar", FILES)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"what was there")
    (tmp_path / "a.tar.part").mkdir()

    with pytest.raises(StateError, match="cannot be written"):
        write_archive(path, FILES)

    assert path.read_bytes() == b"what was there"
