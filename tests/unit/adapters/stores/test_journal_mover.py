import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.records import a_record
from tidegate.adapters.stores.journal_file import JournalFile
from tidegate.adapters.stores.journal_mover import JournalMover, unmoved
from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
from tidegate.domain.record import Record
from tidegate.errors import StateError
from tidegate.wire import journal


def opened(folder: Path, *, rotate_bytes: int = 10**9) -> JournalFile:
    made = JournalFile(folder, rotate_bytes=rotate_bytes)
    made.open()
    return made


def ids(ledger: SqliteLedger) -> list[str]:
    return [record.request_id for record in ledger.tail(100_000)]


def test_records_are_moved_once_however_often_it_runs(tmp_path: Path) -> None:
    written = opened(tmp_path / "j")
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    mover = JournalMover(tmp_path / "j", ledger)
    for number in range(5):
        written.append(a_record(f"r{number}", time=float(number)))
        assert mover.move().records == 1
    assert mover.move().records == 0
    assert ids(ledger) == ["r0", "r1", "r2", "r3", "r4"]


def test_a_folder_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    assert JournalMover(tmp_path / "none", ledger).move().records == 0


def test_sealed_files_are_removed_and_the_one_being_written_stays(tmp_path: Path) -> None:
    written = opened(tmp_path / "j", rotate_bytes=2000)
    for number in range(7):
        written.append(a_record(f"r{number}", time=float(number)))
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    moved = JournalMover(tmp_path / "j", ledger).move()
    assert (moved.records, moved.files_removed) == (7, 2)
    assert [path.name for path in (tmp_path / "j").glob("*.jsonl")] == ["worker-0.jsonl"]
    assert len(ids(ledger)) == 7


def test_a_file_still_written_under_a_sealed_name_is_not_removed(tmp_path: Path) -> None:
    written = opened(tmp_path / "j")
    written.append(a_record("r1"))
    (tmp_path / "j" / "worker-0.jsonl").rename(tmp_path / "j" / "worker-0.000009.jsonl")
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    mover = JournalMover(tmp_path / "j", ledger)
    mover.move()
    written.append(a_record("r2"))
    mover.move()
    assert sorted(ids(ledger)) == ["r1", "r2"]


def test_a_torn_line_is_skipped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    whole = journal.encode(a_record("r1"))
    (tmp_path / "j" / "worker-0.000001.jsonl").write_bytes(
        whole[:40] + b"\n" + whole + b"\x00" * 30 + b"\n" + journal.encode(a_record("r2"))[:50]
    )
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    moved = JournalMover(tmp_path / "j", ledger).move()
    assert (moved.records, moved.torn, moved.files_removed) == (1, 2, 1)


def test_a_line_longer_than_one_piece_is_read_whole(tmp_path: Path) -> None:
    written = opened(tmp_path / "j")
    written.append(a_record("long", reason="x" * 2_500_000))
    written.append(a_record("short"))
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    assert JournalMover(tmp_path / "j", ledger).move().records == 2


def test_after_a_power_cut_that_shortened_the_journal_new_records_are_still_moved(
    tmp_path: Path,
) -> None:
    first = opened(tmp_path / "j")
    for number in range(5):
        first.append(a_record(f"old{number}", time=float(number)))
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    mover = JournalMover(tmp_path / "j", ledger)
    mover.move()
    first.close()
    os.truncate(tmp_path / "j" / "worker-0.jsonl", 2 * len(journal.encode(a_record("old0"))))
    second = opened(tmp_path / "j")
    second.append(a_record("new", time=9.0))
    mover.move()
    assert ids(ledger) == ["old0", "old1", "old2", "old3", "old4", "new"]


def test_a_ledger_that_refuses_leaves_the_records_in_the_journal(tmp_path: Path) -> None:
    opened(tmp_path / "j").append(a_record("r1"))
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    ledger.close()
    with pytest.raises(StateError):
        JournalMover(tmp_path / "j", ledger).move()
    again = SqliteLedger.open(tmp_path / "ledger.sqlite")
    assert JournalMover(tmp_path / "j", again).move().records == 1


def test_unmoved_gives_what_the_ledger_has_not_and_changes_nothing(tmp_path: Path) -> None:
    written = opened(tmp_path / "j")
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    written.append(a_record("r1"))
    JournalMover(tmp_path / "j", ledger).move()
    written.append(a_record("r2"))
    for _ in range(2):
        found = [record.request_id for record in unmoved(tmp_path / "j", ledger)]
        assert found == ["r2"]


class Memory:
    """A ledger in memory that counts how often each record came."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.positions: dict[str, int] = {}

    def position(self, journal_id: str) -> int:
        return self.positions.get(journal_id, 0)

    def insert(
        self, records: Sequence[Record], journal_id: str, offset: int, raw: Sequence[bytes]
    ) -> None:
        assert [journal.decode(line) for line in raw] == list(records)
        self.counts.update(record.request_id for record in records)
        self.positions[journal_id] = offset

    def forget(self, journal_id: str) -> None:
        del self.positions[journal_id]


def test_a_mover_that_never_rests_meets_each_record_once_while_files_rotate(
    tmp_path: Path,
) -> None:
    written = opened(tmp_path / "j", rotate_bytes=2500)
    ledger = Memory()
    mover = JournalMover(tmp_path / "j", ledger)
    is_done = threading.Event()

    def move() -> None:
        while not is_done.is_set():
            mover.move()

    moving = threading.Thread(target=move)
    moving.start()
    for number in range(3000):
        written.append(a_record(f"r{number}"))
    is_done.set()
    moving.join()
    mover.move()
    assert ledger.counts == Counter(f"r{number}" for number in range(3000))
    assert len(ledger.positions) <= 1


def test_after_kill_9_every_complete_line_is_in_the_ledger_exactly_once(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        from msgspec.structs import replace
        from pathlib import Path
        from tidegate.adapters.stores.journal_file import JournalFile
        from tidegate.adapters.stores.journal_mover import JournalMover
        from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
        from tidegate.wire import journal
        folder = Path(sys.argv[1])
        plain = journal.decode((folder / "plain").read_bytes())
        made = JournalFile(folder / "j", rotate_bytes=300_000)
        made.open()
        mover = JournalMover(folder / "j", SqliteLedger.open(folder / "ledger.sqlite"))
        for number in range(1_000_000):
            made.append(replace(plain, request_id=f"{sys.argv[2]}-{number}"))
            if number % 500 == 0:
                mover.move()
            if number >= 2000:
                print(number, flush=True)
        """
    )
    (tmp_path / "plain").write_bytes(journal.encode(a_record()))
    said: dict[str, int] = {}
    for name in ("first", "second", "third"):
        command = [sys.executable, "-c", script, str(tmp_path), name]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(300):
                said[name] = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    mover = JournalMover(tmp_path / "j", ledger)
    mover.move()
    mover.move()
    found = ids(ledger)
    assert len(found) == len(set(found))
    for name, last in said.items():
        numbers = {int(one.split("-")[1]) for one in found if one.startswith(name)}
        assert numbers == set(range(max(numbers) + 1))
        assert max(numbers) >= last
