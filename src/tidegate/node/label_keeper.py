"""The label store in a thread of its own, behind a bounded queue: SQLite holds up no request."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.domain.feedback import Feedback, KeptAnswer
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.learn_policy import AUTOMATIC
from tidegate.domain.question import Question
from tidegate.errors import StateError
from tidegate.learning.drift import changed_source

T = TypeVar("T")

WAITING = 10_000
"""Rows that may wait for the disk: 20 MB with 384 dimensions."""
ANSWERS_WAITING = 2_000
"""Local answers that may wait for it; labels go first."""
CHUNK = 500
"""Rows of one transaction."""
WRITE_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class LabelHealth:
    """How well rows reach the disk; counts are since the node started."""

    pending: int
    lost: int
    last_error: str | None


class LabelKeeper:
    """Takes rows, writes them when it is told to, and lets others use the store in its thread."""

    def __init__(self, open_store: Callable[[], SqliteLabels], automatic_tasks: int) -> None:
        """Nothing is opened yet; `automatic_tasks` bounds those of one tenant."""
        self._open_store = open_store
        self._automatic_tasks = automatic_tasks
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="labels")
        self._store: SqliteLabels | None = None
        self._rows: deque[LabelRow] = deque()
        self._answers: deque[LabelRow] = deque()
        self._repeats: Counter[tuple[Owner, str, bool]] = Counter()
        self._fresh: list[tuple[Owner, Question]] = []
        self._lost = 0
        self._last_error: str | None = None
        self._writing = asyncio.Lock()
        self.questions: dict[Owner, Question] = {}
        """What each owner's labels answer."""
        self.verdicts: Mapping[Owner, Guarantee] = {}
        """The newest of each owner, as what serves was built by them."""
        self.urgent = asyncio.Event()
        """Set when a row waits that takes a guarantee back."""

    async def open(self) -> None:
        """Open the store and learn which questions it knows."""

        def opened() -> dict[Owner, Question]:
            self._store = self._open_store()
            return self._store.questions()

        self.questions = await self._in_thread(opened)

    async def owners(self) -> Sequence[Owner]:
        """Give all owners that the store knows by now, those of other processes too."""
        self.questions.update(await self.use(lambda store: store.questions()))
        return tuple(self.questions)

    def health(self) -> LabelHealth:
        """Tell how well rows reach the disk."""
        return LabelHealth(len(self._rows), self._lost, self._last_error)

    def takes(self, owner: Owner, question: Question) -> bool:
        """Tell whether labels of this owner are kept; the number of automatic tasks is bounded."""
        if owner in self.questions:
            return True
        if owner.task.startswith(AUTOMATIC):
            of_tenant = sum(
                known.tenant == owner.tenant and known.task.startswith(AUTOMATIC)
                for known in self.questions
            )
            if of_tenant >= self._automatic_tasks:
                return False
        self.questions[owner] = question
        self._fresh.append((owner, question))
        return True

    def offer(self, row: LabelRow) -> None:
        """Take one row; the oldest that waits goes when there is no room."""
        self._put(self._rows, row, WAITING)
        verdict = self.verdicts.get(row.owner)
        if verdict is None or verdict.state != "granted":
            return
        if changed_source(verdict.labels, row.upstream, row.model) is not None:
            self.urgent.set()

    def answered(self, row: LabelRow) -> None:
        """Take one local answer; the oldest that waits goes when there is no room."""
        self._put(self._answers, row, ANSWERS_WAITING)

    def repeated(self, owner: Owner, model: str, *, is_other: bool) -> None:
        """Count one request that the upstream answered twice."""
        self._repeats[owner, model, is_other] += 1

    async def find_answer(self, row_id: str) -> KeptAnswer | None:
        """Give an answer that feedback may label; what waits is written before it is missed."""
        if self._store is None:
            return None
        found = await self.use(lambda store: store.answers.find(row_id))
        if found is None and (self._rows or self._answers):
            await self.write()
            found = await self.use(lambda store: store.answers.find(row_id))
        return found

    async def question_of(self, owner: Owner) -> Question | None:
        """Give what an owner's labels answer, also where another process wrote it down."""
        if owner not in self.questions:
            await self.owners()
        return self.questions.get(owner)

    async def state(self, feedback: Feedback) -> bool:
        """Store what somebody said of an answer; False when it was said already."""
        return await self.use(lambda store: store.answers.state(feedback))

    async def may_audit(self, task: str, limit: int, now: float) -> bool:
        """Spend one audit call of a day; False when there is none left. Raises StateError."""
        return await self.use(lambda store: store.audits.take(task, limit, now))

    async def write(self) -> None:
        """Bring what waits to the disk; what it refuses waits on. Raises StateError."""
        async with self._writing:
            try:
                await self._write()
            except StateError as error:
                self._last_error = str(error)
                raise
            self._last_error = None

    async def use(self, work: Callable[[SqliteLabels], T]) -> T:
        """Do `work` on the store, in its thread."""

        def worked() -> T:
            if self._store is None:
                raise StateError("the label store is not open")
            return work(self._store)

        return await self._in_thread(worked)

    async def close(self) -> None:
        """Write what is left and close; works after a half-done `open`."""
        try:
            if self._store is not None:
                await self.write()
        finally:
            if self._store is not None:
                await self._in_thread(self._store.close)
            self._thread.shutdown()

    async def _write(self) -> None:
        while self._fresh:
            await self._remember(*self._fresh[0])
            self._fresh.pop(0)
        await self._empty(self._rows, lambda store, rows: store.add(rows))
        await self._empty(self._answers, lambda store, rows: store.answers.add(rows))
        while self._repeats:
            (owner, model, is_other), count = self._repeats.popitem()
            await self._repeat(owner, model, pairs=count, disagreements=count if is_other else 0)

    async def _remember(self, owner: Owner, question: Question) -> None:
        await self.use(lambda store: store.remember(owner, question))

    async def _empty(
        self, queue: deque[LabelRow], add: Callable[[SqliteLabels, list[LabelRow]], object]
    ) -> None:
        while queue:
            chunk = list(islice(queue, CHUNK))
            await self.use(partial(_with, add, chunk))
            for row in chunk:
                # What was dropped meanwhile for want of room is not there any more.
                if queue and queue[0] is row:
                    queue.popleft()

    def _put(self, queue: deque[LabelRow], row: LabelRow, most: int) -> None:
        if len(queue) >= most:
            queue.popleft()
            self._lost += 1
        queue.append(row)

    async def _repeat(self, owner: Owner, model: str, *, pairs: int, disagreements: int) -> None:
        await self.use(
            lambda store: store.repeat(owner, model, pairs=pairs, disagreements=disagreements)
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _with(
    add: Callable[[SqliteLabels, list[LabelRow]], object],
    rows: list[LabelRow],
    store: SqliteLabels,
) -> None:
    add(store, rows)
