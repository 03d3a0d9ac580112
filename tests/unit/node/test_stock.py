"""Bundles that come and go as archives: checked first, visible whole or not at all."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tidegate.adapters.bundles.archive import read_archive, write_archive
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.bundles.manifest import Draft, pack, renumbered, unpack
from tidegate.domain.bundle import Calibration, Golden, Head, Metrics, Provenance
from tidegate.domain.encoding import Encoding, Wants
from tidegate.errors import BundleError, StateError
from tidegate.node.stock import Meant, Stock
from tidegate.tasks.scores import score

HERE, ELSEWHERE = "e" * 64, "f" * 64
READ = Encoding(np.full(4, 0.5, np.float32), token_count=3, is_truncated=False)


class NoEncoder:
    """Knows one text."""

    name = "none"
    fingerprint = HERE
    dimensions = 4
    allowed_dimensions: Sequence[int] = (4,)
    max_tokens = 8
    most_windows = 1
    threads = 1

    async def encode(
        self, text: str, deadline: float | None = None, *, wants: Wants = "vector"
    ) -> Encoding:
        assert (text, deadline, wants) == ("a text", None, "vector")
        return READ

    def count_tokens(self, text: str) -> int:
        raise AssertionError(text)


def bundle(number: int = 1, *, seed: int = 1, encoder: str = HERE) -> tuple[str, dict[str, bytes]]:
    weights = np.random.default_rng(seed).normal(size=(2, 4)).astype(np.float32)
    head = Head(("a", "b"), weights, weights[:, 0].copy(), Calibration(1.0, 0.0))
    draft = Draft(
        name="support",
        created=1.0,
        encoder=encoder,
        head=head,
        questions=(),
        metrics=Metrics(10, 5, 0.9, 0.01, 0.02, ()),
        provenance=Provenance("file", "0" * 64, 10),
        golden=(Golden("a text", tuple(score(head, "a text", READ))),),
    )
    return pack(draft, number)


def stock(root: Path, *made: tuple[str, dict[str, bytes]]) -> Stock:
    folder = BundleFolder(root / "bundles")
    for version, files in made:
        folder.add("support", version, files)
    return Stock(StatePaths(root))


def archive(path: Path, made: tuple[str, dict[str, bytes]]) -> Path:
    write_archive(path, made[1])
    return path


async def test_an_archive_keeps_its_version_where_the_number_is_free(tmp_path: Path) -> None:
    version, _ = made = bundle(3)
    there = stock(tmp_path, bundle(5, seed=2))
    added = await there.unpack(archive(tmp_path / "a.tar", made), NoEncoder())

    assert (added.bundle.version, added.was, added.is_new) == (version, version, True)
    assert there.newest("support") == bundle(5, seed=2)[0]


async def test_what_is_there_under_another_number_is_not_added_again(tmp_path: Path) -> None:
    there = stock(tmp_path, bundle(1))
    added = await there.unpack(archive(tmp_path / "a.tar", bundle(3)), NoEncoder())

    assert (added.bundle.version, added.is_new) == (bundle(1)[0], False)
    assert len(there.all()) == 1


@pytest.mark.parametrize("number", [1, 3])
async def test_a_version_that_is_damaged_is_put_back_from_an_archive(
    tmp_path: Path, number: int
) -> None:
    version, files = bundle(1)
    there = stock(tmp_path, (version, files))
    head = tmp_path / "bundles" / "support" / version / "head.npy"
    head.write_bytes(b"x" + files["head.npy"][1:])

    added = await there.unpack(archive(tmp_path / "a.tar", bundle(number)), NoEncoder())

    assert (added.bundle.version, added.is_new) == (version, True)
    assert await there.verify("support", version, NoEncoder()) == 0.0
    assert there.all() == [("support", version)]
    assert sorted(path.name for path in head.parent.parent.iterdir()) == [".lock", version]


async def test_a_disk_that_is_full_leaves_a_damaged_version_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, files = bundle(1)
    there = stock(tmp_path, (version, files))
    head = tmp_path / "bundles" / "support" / version / "head.npy"
    head.write_bytes(b"x")
    path = archive(tmp_path / "a.tar", (version, files))

    def disk_full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(StateError, match="No space left"):
        await there.unpack(path, NoEncoder())
    assert head.read_bytes() == b"x"
    assert there.all() == [("support", version)]


async def test_a_number_that_is_taken_is_replaced_and_the_content_stays(tmp_path: Path) -> None:
    mine, theirs = bundle(1, seed=1), bundle(1, seed=2)
    there = stock(tmp_path, mine)
    added = await there.unpack(archive(tmp_path / "a.tar", theirs), NoEncoder())

    assert added.bundle.version == f"2-{theirs[0].partition('-')[2]}"
    assert added.was == theirs[0]
    assert await there.verify("support", added.bundle.version, NoEncoder()) == 0.0


async def test_a_bundle_for_another_encoder_is_refused_with_the_remedy(tmp_path: Path) -> None:
    there = stock(tmp_path)
    path = archive(tmp_path / "a.tar", bundle(encoder=ELSEWHERE))

    with pytest.raises(BundleError, match=r"another encoder.*train it again"):
        await there.unpack(path, NoEncoder())
    assert there.all() == []


async def test_what_does_not_match_its_hash_never_becomes_visible(tmp_path: Path) -> None:
    version, files = bundle()
    there = stock(tmp_path)
    for name in files:
        changed = {**files, name: files[name].replace(b"support", b"suppord")[:-1] + b"x"}
        path = archive(tmp_path / "a.tar", (version, changed))
        with pytest.raises(BundleError):
            await there.unpack(path, NoEncoder())
    extra = archive(tmp_path / "a.tar", (version, {**files, "evil.pkl": b"x"}))
    with pytest.raises(BundleError, match=r"evil\.pkl"):
        await there.unpack(extra, NoEncoder())
    assert there.all() == []


async def test_a_full_disk_while_unpacking_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = stock(tmp_path)
    path = archive(tmp_path / "a.tar", bundle())

    def disk_full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", disk_full)
        with pytest.raises(StateError, match="No space left"):
            await there.unpack(path, NoEncoder())
        with pytest.raises(StateError, match="No space left"):
            write_archive(path, {"manifest.json": b"{}"})
    assert there.all() == []
    assert list(read_archive(path)) == ["manifest.json", "head.npy"]


def test_a_new_number_does_not_change_what_is_hashed() -> None:
    version, files = bundle(1)
    renamed, changed = renumbered(files, 7)

    assert renamed == f"7-{version.partition('-')[2]}"
    read = unpack(changed, name="support", version=renamed)
    assert read.content_hash == unpack(files, name="support", version=version).content_hash


def test_a_bare_name_is_the_pinned_version_or_the_newest(tmp_path: Path) -> None:
    first, second = bundle(1), bundle(2, seed=2)
    there = stock(tmp_path, first, second)

    assert there.find("support") == Meant("support", second[0], "the newest")
    there.pin("support", first[0])
    assert there.find("support") == Meant("support", first[0], "pinned")
    assert there.find(f"support@{second[0]}") == Meant("support", second[0], "named")
    assert there.earlier("support", second[0]) == first[0]


@pytest.mark.parametrize("wanted", ["none", "support@9-0a1b2c3d4e5f"])
def test_what_there_is_not_is_told_with_what_there_is(tmp_path: Path, wanted: str) -> None:
    made = bundle(1)
    with pytest.raises(BundleError, match=rf"support|{made[0]}"):
        stock(tmp_path, made).find(wanted)
