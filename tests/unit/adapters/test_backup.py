"""Backup and restore: everything comes back once, a running node is neither held up nor touched."""

import io
import tarfile
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.label_rows import a_label
from tests.records import a_record
from tidegate.adapters.backup import back_up
from tidegate.adapters.backup_manifest import MEMBER
from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.process_lock import lock_for_life
from tidegate.adapters.record_reader import open_records
from tidegate.adapters.restore import restore
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.journal_file import JournalFile
from tidegate.adapters.stores.journal_mover import JournalMover
from tidegate.adapters.stores.key_file import KeyFile
from tidegate.adapters.stores.sqlite_bindings import SqliteBindings
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
from tidegate.adapters.stores.state_directory import StatePaths, open_state_directory
from tidegate.domain.identity import Identity
from tidegate.domain.key import KeyRow
from tidegate.domain.passed import Bound
from tidegate.errors import StateError

NOW = 1_800_000_000.0
BUNDLE = "bundles/support/1-0a1b2c3d4e5f/manifest.json"


def a_state(root: Path, *, moved: int = 3, waiting: int = 2) -> StatePaths:
    """Make a state directory with a key, a bundle and records in ledger and journal."""
    paths = open_state_directory(root)
    identity = Identity("acme", "k-1", "client", frozenset({"chat"}))
    keys = KeyFile(paths.keys, paths.pepper)
    keys.load()
    keys.add(KeyRow(identity, "0" * 64, created=1.0))
    paths.admin_token.write_text("a secret of this node alone")
    (root / BUNDLE).parent.mkdir(parents=True)
    (root / BUNDLE).write_text("{}")
    journal = JournalFile(paths.journal)
    journal.open()
    with closing(journal), closing(SqliteLedger.open(paths.ledger)) as ledger:
        for number in range(moved):
            journal.append(a_record(f"moved-{number}"))
        JournalMover(paths.journal, ledger).move()
        for number in range(waiting):
            journal.append(a_record(f"waiting-{number}"))
    return paths


def backed_up(paths: StatePaths, target: Path) -> Path:
    back_up(paths, target, now=NOW, version="1.2.3")
    return target


def ids(root: Path) -> list[str]:
    """Give the ids of all records, as `tidegate ledger` would."""
    paths = StatePaths(root)
    with open_records(paths.ledger, paths.journal) as records:
        return sorted(record.request_id for record in records.tail(100_000))


def rewritten(archive: Path, change: Callable[[dict[str, Any]], None], **members: bytes) -> Path:
    """Make the same archive with another manifest or other contents."""
    with tarfile.open(archive) as old:
        contents = {m.name: old.extractfile(m).read() for m in old}  # type: ignore[union-attr]  # all are files
    manifest = msgspec.json.decode(contents.pop(MEMBER))
    change(manifest)
    return packed(archive, {**contents, **members, MEMBER: msgspec.json.encode(manifest)})


def packed(archive: Path, contents: Mapping[str, bytes]) -> Path:
    with tarfile.open(archive, "w") as new:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            new.addfile(info, io.BytesIO(content))
    return archive


def nothing(_: dict[str, Any]) -> None:
    pass


def test_everything_comes_back_but_the_admin_token(tmp_path: Path) -> None:
    old = a_state(tmp_path / "old")
    archive = backed_up(old, tmp_path / "a.tar")
    restore(archive, tmp_path / "new", replace=False)
    new = StatePaths(tmp_path / "new")
    before, after = (KeyFile(p.keys, p.pepper).load() for p in (old, new))
    assert after == before
    assert (new.root / BUNDLE).read_text() == "{}"
    assert ids(new.root) == ["moved-0", "moved-1", "moved-2", "waiting-0", "waiting-1"]
    assert not new.admin_token.exists()


def test_labels_come_back_with_the_keys_that_open_them(tmp_path: Path) -> None:
    paths = a_state(tmp_path / "old")
    secret = b"s" * 32
    with closing(
        SqliteLabels.open(paths.labels, TenantKeys(paths.label_keys), secret=secret)
    ) as old:
        old.add([a_label()])

    restore(backed_up(paths, tmp_path / "all.tar"), tmp_path / "new", replace=False)

    new = StatePaths(tmp_path / "new")
    with closing(SqliteLabels.open_to_read(new.labels, TenantKeys(new.label_keys))) as labels:
        assert [row.label for row in labels.every("acme")] == [a_label().label]


async def test_files_at_upstreams_stay_their_tenant_s(tmp_path: Path) -> None:
    paths = a_state(tmp_path / "old")
    bound = Bound("acme", "openai", "files", 7)
    kept = SqliteBindings(paths.bindings, SystemClock())
    await kept.bind("file-1", bound)
    await kept.close()

    restore(backed_up(paths, tmp_path / "b.tar"), tmp_path / "new", replace=False)

    found = SqliteBindings(StatePaths(tmp_path / "new").bindings, SystemClock())
    assert await found.find("file-1") == bound
    await found.close()


def test_a_restored_node_goes_on_where_the_old_one_was(tmp_path: Path) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    restore(archive, tmp_path / "new", replace=False)
    paths = StatePaths(tmp_path / "new")
    journal = JournalFile(paths.journal)
    journal.open()
    with closing(journal), closing(SqliteLedger.open(paths.ledger)) as ledger:
        assert JournalMover(paths.journal, ledger).move().records == 2
        assert len(ledger.tail(100)) == 5


def test_backup_and_restored_files_are_their_owners_alone(tmp_path: Path) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    restore(archive, tmp_path / "new", replace=False)
    files = [archive, *(path for path in (tmp_path / "new").rglob("*") if path.is_file())]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_the_manifest_says_what_is_in_it(tmp_path: Path) -> None:
    manifest = back_up(a_state(tmp_path / "old"), tmp_path / "a.tar", now=NOW, version="1.2.3")
    assert (manifest.format, manifest.tidegate, manifest.created) == (1, "1.2.3", NOW)
    assert manifest.ledger_schema == 1
    assert [entry.name for entry in manifest.files] == [
        "keys.json",
        "pepper",
        BUNDLE,
        "journal/worker-0.jsonl",
        "ledger.sqlite",
    ]


def test_a_backup_under_load_has_each_record_exactly_once(tmp_path: Path) -> None:
    paths = a_state(tmp_path / "old", moved=0, waiting=0)
    journal = JournalFile(paths.journal, rotate_bytes=20_000)
    journal.open()
    written: list[str] = []
    over = threading.Event()
    begun = threading.Barrier(2)

    def serve() -> None:
        with closing(SqliteLedger.open(paths.ledger)) as ledger:
            mover = JournalMover(paths.journal, ledger)
            while not over.is_set():
                for _ in range(10):
                    written.append(f"r{len(written):06}")
                    journal.append(a_record(written[-1]))
                mover.move()
                if len(written) == 500:
                    begun.wait()

    server = threading.Thread(target=serve)
    server.start()
    try:
        begun.wait()
        for number in range(5):
            before = list(written)
            archive = backed_up(paths, tmp_path / f"{number}.tar")
            restore(archive, tmp_path / f"new-{number}", replace=False)
            restored = ids(tmp_path / f"new-{number}")
            assert len(set(restored)) == len(restored)
            # The newest may have been noted here and not have been written yet.
            assert set(before) - set(restored) <= set(before[-1:])
    finally:
        over.set()
        server.join()
        journal.close()


def test_a_running_node_is_not_overwritten(tmp_path: Path) -> None:
    paths = a_state(tmp_path / "old")
    archive = backed_up(paths, tmp_path / "a.tar")
    unlock = lock_for_life(paths.lock, "The state directory", "stop that node")
    try:
        with pytest.raises(StateError, match=r"a node runs on.*stop it"):
            restore(archive, paths.root, replace=True)
    finally:
        unlock()


def test_a_state_directory_with_content_is_refused(tmp_path: Path) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    a_state(tmp_path / "new", moved=1, waiting=0)
    with pytest.raises(StateError, match=r"not empty: it holds `keys.json`.*--force"):
        restore(archive, tmp_path / "new", replace=False)
    assert ids(tmp_path / "new") == ["moved-0"]


def test_what_is_replaced_is_set_aside_and_not_deleted(tmp_path: Path) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    new = a_state(tmp_path / "new", moved=1, waiting=0)
    keys = new.keys.read_bytes()
    first = restore(archive, new.root, replace=True)
    second = restore(archive, new.root, replace=True)
    assert first.set_aside == new.root / "replaced-1"
    assert second.set_aside == new.root / "replaced-2"
    assert (new.root / "replaced-1" / "keys.json").read_bytes() == keys
    assert ids(new.root / "replaced-1") == ["moved-0"]
    assert len(ids(new.root)) == 5
    assert new.admin_token.exists()


def test_a_log_of_the_old_ledger_is_not_applied_to_the_restored_one(tmp_path: Path) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    new = a_state(tmp_path / "new")
    stale = new.root / "ledger.sqlite-wal"
    stale.write_bytes(b"left by a killed process")
    restore(archive, new.root, replace=True)
    assert not stale.exists()


def test_nothing_to_back_up_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"nothing to back up.*--state"):
        backed_up(StatePaths(tmp_path / "none"), tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


def test_a_place_that_takes_no_file_is_an_error_and_leaves_none(tmp_path: Path) -> None:
    paths = a_state(tmp_path / "old")
    with pytest.raises(StateError, match="cannot be written"):
        backed_up(paths, tmp_path / "none" / "a.tar")


@pytest.mark.parametrize(
    "change",
    [{"format": 2, "files": "in another form"}, {"ledger_schema": 99}],
    ids=["format", "schema"],
)
def test_a_newer_backup_is_refused_with_the_remedy(tmp_path: Path, change: dict[str, Any]) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    rewritten(archive, lambda manifest: manifest.update(change))
    with pytest.raises(StateError, match=r"newer Tidegate \(1.2.3\); install that version"):
        restore(archive, tmp_path / "new", replace=False)


@pytest.mark.parametrize(
    "name", ["../pepper", "/etc/passwd", "journal/../../x.jsonl", "admin.token", "bundles/a/../b"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    rewritten(archive, lambda manifest: manifest["files"][0].update(name=name), **{name: b""})
    with pytest.raises(StateError, match="which no backup of Tidegate does"):
        restore(archive, tmp_path / "new", replace=False)
    assert not (tmp_path / "pepper").exists()


def test_a_changed_file_is_refused_and_nothing_is_put_in_place(tmp_path: Path) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    rewritten(archive, nothing, pepper=b"x" * 32)
    with pytest.raises(StateError, match="`pepper` in the backup is not what its manifest says"):
        restore(archive, tmp_path / "new", replace=False)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"node.lock"}


def test_a_link_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    with tarfile.open(archive) as old:
        manifest = old.extractfile(MEMBER)
        assert manifest is not None
        content = manifest.read()
    with tarfile.open(archive, "w") as new:
        link = tarfile.TarInfo("keys.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        new.addfile(link)
        info = tarfile.TarInfo(MEMBER)
        info.size = len(content)
        new.addfile(info, io.BytesIO(content))
    with pytest.raises(StateError, match=r"`keys.json` in the backup is not a file"):
        restore(archive, tmp_path / "new", replace=False)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_cut_archive_is_refused(tmp_path: Path, share: float) -> None:
    archive = backed_up(a_state(tmp_path / "old"), tmp_path / "a.tar")
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(StateError, match=r"not a backup of Tidegate|cannot be restored|damaged"):
        restore(archive, tmp_path / "new", replace=False)


def test_another_archive_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.tar", {"holiday.jpg": b"x"})
    with pytest.raises(StateError, match="no manifest"):
        restore(archive, tmp_path / "new", replace=False)
    with pytest.raises(StateError, match="cannot be restored"):
        restore(tmp_path / "none.tar", tmp_path / "new", replace=False)
