"""A learning node that is killed: in a fit, in a test, and while it swaps to what it has learned.

Each stage is held from outside until the process is dead: the fitting child is stopped, the verdict
waits in a trigger of its table, the swap waits for a file that nobody writes.
"""

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.e2e.child import Child, running_child
from tests.e2e.harness import TENANT
from tests.e2e.teacher import Teacher, intent, labelled, learning_from, lessons
from tests.e2e.tiers import scripted
from tests.e2e.waiting import until
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.domain.guarantee import AttemptLedger, Guarantee
from tidegate.domain.label import Owner
from tidegate.node.stock import Stock

KEY = Owner("intent", TENANT).key
TEXTS = [text for text, _ in lessons()]
FITTER = "tidegate.adapters.fitter.sklearn_child"


@contextmanager
def guarantees(folder: Path) -> Iterator[SqliteGuarantees]:
    with closing(SqliteGuarantees.open_to_read(StatePaths(folder / "state").guarantees)) as opened:
        yield opened


def kept(folder: Path) -> tuple[Guarantee | None, AttemptLedger]:
    """Give the newest verdict, and what attempts have spent."""
    with guarantees(folder) as store:
        return store.load(KEY), store.ledger(KEY)


def whole_bundles(folder: Path) -> tuple[str, ...]:
    """List all versions; raises where one of them is not whole."""
    stock = Stock(StatePaths(folder / "state"))
    found = [version for _, version in stock.all()]
    for version in found:
        stock.read(KEY, version)
    return tuple(found)


def fitter(parent: int) -> int | None:
    """Find the fitting child of a process."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "stat").read_text(encoding="ascii", errors="replace")
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        of = int(status.rpartition(")")[2].split()[1])
        if of == parent and FITTER in command:
            return int(entry.name)
    return None


def end_orphan(pid: int) -> None:
    """End a fitting child that nobody waits for, and remove what it worked on."""
    *_, problem, _ = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    os.kill(pid, signal.SIGKILL)
    shutil.rmtree(Path(problem).parent)


async def asked(child: Child, texts: list[str]) -> list[str]:
    """Ask one after another; gives where each answer came from."""
    sources = []
    for text in texts:
        body = {"model": "decider", "input": text, "questions": [intent()]}
        got = await child.send("decisions", body)
        assert got.status == 200
        sources.append(got.headers["x-tidegate-source"])
    return sources


async def killed(child: Child) -> None:
    child.signal(signal.SIGKILL)
    await child.ended()


async def test_killed_in_a_fit_nothing_is_half_made_and_it_is_fitted_again(tmp_path: Path) -> None:
    async with scripted() as far:
        far.script = Teacher(dict(lessons()))
        config = learning_from(far.served.url)
        await labelled(tmp_path, far.served.url)
        async with running_child(config, tmp_path) as child:
            # First the fitting child alone: the node goes on, and says so.
            os.kill(await until(lambda: fitter(child.process.pid)), signal.SIGKILL)
            refused = await child.logged("learn.refused")
            assert "ended with code -9" in refused["error"]
            assert await asked(child, TEXTS[:1]) == ["upstream"]
            await killed(child)
        async with running_child(config, tmp_path) as child:
            orphan = await until(lambda: fitter(child.process.pid))
            os.kill(orphan, signal.SIGSTOP)
            await killed(child)
            end_orphan(orphan)
        assert whole_bundles(tmp_path) == ()
        assert kept(tmp_path) == (None, AttemptLedger())

        async with running_child(config, tmp_path) as child:
            await child.logged("learn.granted")
            await child.logged("node.rebuilt")
            assert "local" in await asked(child, TEXTS[:20])
        assert len(whole_bundles(tmp_path)) == 1


async def test_killed_in_a_test_it_is_spent_and_killed_in_a_swap_it_serves_from_the_start(
    tmp_path: Path,
) -> None:
    async with scripted() as far:
        far.script = Teacher(dict(lessons()))
        config = learning_from(far.served.url)
        await labelled(tmp_path, far.served.url)
        with verdicts_held(tmp_path):
            async with running_child(config, tmp_path) as child:
                await until(lambda: kept(tmp_path)[1].attempts == 1)
                await killed(child)
        # What it would have granted is not known, and the attempt is gone.
        verdict, ledger = kept(tmp_path)
        assert (verdict, ledger.attempts) == (None, 1)
        tested = whole_bundles(tmp_path)
        assert len(tested) == 1

        await labelled(tmp_path, far.served.url, ending=" Thanks!")
        pins = StatePaths(tmp_path / "state").pins
        async with running_child(config, tmp_path) as child:
            # Whoever builds what serves reads this file first, and waits.
            os.mkfifo(pins, mode=0o600)
            await until(lambda: kept(tmp_path)[0] is not None)
            await killed(child)
        pins.unlink()
        verdict, ledger = kept(tmp_path)
        assert verdict is not None
        assert (verdict.state, verdict.attempt, ledger.attempts) == ("granted", 2, 2)
        assert whole_bundles(tmp_path) == (*tested, verdict.bundle_version)

        async with running_child(config, tmp_path) as child:
            assert "local" in await asked(child, TEXTS[:20])
            assert "learn.fitted" not in [line["event"] for line in child.lines]


@contextmanager
def verdicts_held(folder: Path) -> Iterator[None]:
    """Let whoever writes a verdict down wait in the middle of it, practically for ever."""
    path = StatePaths(folder / "state").guarantees
    SqliteGuarantees.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE many (number INTEGER)")
        connection.executemany("INSERT INTO many VALUES (?)", [(one,) for one in range(10_000)])
        connection.execute(
            "CREATE TRIGGER held BEFORE INSERT ON guarantees BEGIN"
            " SELECT count(*) FROM many, many AS more, many AS most WHERE more.number > -1; END"
        )
        connection.commit()
    yield
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER held")
        connection.execute("DROP TABLE many")
        connection.commit()
