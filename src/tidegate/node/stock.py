"""The bundles of a state directory as an operator handles them: look, check, ship, pin."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tidegate.adapters.bundles.archive import (
    archive_name,
    from_archive,
    read_archive,
    to_archive,
    write_archive,
)
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.bundles.pins import PinFile
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.bundles.manifest import named, renumbered, unpack
from tidegate.bundles.rollout import before, choose_for
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Grant, Guarantee
from tidegate.domain.task import Task
from tidegate.errors import BundleError, StateError
from tidegate.node.static_training import open_static
from tidegate.node.verified import Reader, check_here, read_verified
from tidegate.ports.encoder import Encoder


@dataclass(frozen=True, slots=True)
class Meant:
    """The version that a name stands for."""

    name: str
    version: str
    why: str
    """Why this one, where the name alone was given."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A version that came from an archive."""

    bundle: Bundle
    was: str
    """Its version in the archive; another one here when the number was taken."""
    is_new: bool
    """False: it was there already."""


class Stock:
    """All bundles of one state directory, and which of them are pinned."""

    def __init__(self, paths: StatePaths) -> None:
        self.paths = paths
        self._folder = BundleFolder(paths.bundles)
        self._pins = PinFile(paths.pins)

    def find(self, wanted: str, tasks: Sequence[Task] = ()) -> Meant:
        """Read `NAME` or `NAME@VERSION`; a bare name is the version that serves `tasks`."""
        name, _, version = wanted.partition("@")
        versions = self._folder.versions(name)
        if not versions:
            known = ", ".join(f"`{one}`" for one in self._folder.names()) or "none"
            raise BundleError(f"There is no bundle `{name}` (there are: {known}).")
        if version and version not in versions:
            raise BundleError(
                f"There is no version {version} of `{name}` (there are: {', '.join(versions)})."
            )
        if version:
            return Meant(name, version, "named")
        users = [task for task in tasks if task.bundle == name] or [Task(name=name, bundle=name)]
        found = {task.name: self._serving(task, versions) for task in users}
        if len({one.version for one in found.values()}) > 1:
            told = ", ".join(f"task {task}: {one.version}" for task, one in found.items())
            raise BundleError(f"`{name}` serves in several versions ({told}); write NAME@VERSION.")
        return next(iter(found.values()))

    def guarantee(self, task: str) -> Guarantee | None:
        """Give the newest verdict on a task."""
        with closing(SqliteGuarantees.open_to_read(self.paths.guarantees)) as guarantees:
            return guarantees.load(task)

    def answers(self, grant: Grant) -> int:
        """Count the answers that were given under a guarantee."""
        with closing(SqliteGuarantees.open_to_read(self.paths.guarantees)) as guarantees:
            return guarantees.answers(grant)

    def _serving(self, task: Task, versions: Sequence[str]) -> Meant:
        """Give the version that a node would serve, as far as its files tell."""
        name = task.bundle
        choice = choose_for(task, self.pinned(name), self.guarantee(task.name), versions)
        if choice.by == "configuration":
            return Meant(name, choice.versions[0], f"tasks.{task.name}.bundle_version")
        if choice.by == "pin":
            return Meant(name, choice.versions[0], "pinned")
        best = choice.versions[0]
        good = next((one for one in choice.versions if self._is_whole(name, one)), best)
        if good != best:
            return Meant(name, good, f"the newest good one; {best} is not")
        why = "the newest" if choice.by == "age" else f"guarantee of task {task.name}"
        return Meant(name, good, why)

    def _is_whole(self, name: str, version: str) -> bool:
        try:
            self.read(name, version)
        except (BundleError, StateError):
            return False
        return True

    def all(self) -> list[tuple[str, str]]:
        """List every version of every bundle, oldest first."""
        names = self._folder.names()
        return [(name, version) for name in names for version in self._folder.versions(name)]

    def pinned(self, name: str) -> str | None:
        """Give the pinned version of a bundle."""
        return self._pins.load().get(name)

    def newest(self, name: str) -> str | None:
        """Give the newest version of a bundle."""
        return self._folder.latest(name)

    def read(self, name: str, version: str) -> Bundle:
        """Read a version and check its hashes and values; raises BundleError."""
        return unpack(self._folder.read(name, version), name=name, version=version)

    def size_bytes(self, name: str, version: str) -> int:
        """Give the size of all files of a version."""
        return sum(len(content) for content in self._folder.read(name, version).values())

    async def verify(self, name: str, version: str, encoder: Encoder) -> float:
        """Check all that a node checks before it serves; gives the deviation of golden scores."""
        _, deviation = await read_verified(self._folder, name, version, encoder, open_static())
        return deviation

    def pack(self, name: str, version: str, target: Path | None) -> tuple[Path, int]:
        """Write a version into an archive; gives its path and size."""
        self.read(name, version)
        path = Path(archive_name(name, version)) if target is None else target
        return path, write_archive(path, self._folder.read(name, version))

    async def unpack(self, archive: Path, encoder: Encoder) -> Unpacked:
        """Check an archive as a node would, then add its version; raises, and nothing is there."""
        return await self._add(read_archive(archive), str(archive), encoder)

    def archive(self, name: str, version: str) -> bytes:
        """Give a version that is whole as an archive in memory; raises BundleError."""
        self.read(name, version)
        return to_archive(self._folder.read(name, version))

    async def take(
        self, content: bytes, where: str, encoder: Reader, *, name: str, content_hash: str
    ) -> Unpacked:
        """Do with an archive in memory what `unpack` does with a file, if it is the one meant."""
        files = from_archive(content, where)
        told, version = named(files, where)
        if told != name or unpack(files, name=told, version=version).content_hash != content_hash:
            raise BundleError(f"{where} is `{told}` {version} and not what was meant for `{name}`")
        return await self._add(files, where, encoder)

    def version_of(self, name: str, content_hash: str) -> str | None:
        """Give the version with this content, if it is here and whole."""
        for version in self._folder.versions(name):
            if not content_hash.startswith(version.partition("-")[2]):
                continue
            if self._is_whole(name, version):
                return version if self.read(name, version).content_hash == content_hash else None
        return None

    async def _add(self, files: dict[str, bytes], where: str, encoder: Reader) -> Unpacked:
        name, was = named(files, where)
        bundle = unpack(files, name=name, version=was)
        await check_here(bundle, encoder, open_static())
        versions = self._folder.versions(name)
        known = next((one for one in versions if _same(one, was)), None)
        if known is not None and self._is_whole(name, known):
            return Unpacked(self.read(name, known), was, is_new=False)
        if known is not None:
            _, files = renumbered(files, _number(known))
            self._folder.mend(name, known, files)
            return Unpacked(self.read(name, known), was, is_new=True)
        version = was
        if _number(was) in {_number(one) for one in versions}:
            version, files = renumbered(files, self._folder.next_number(name))
        self._folder.add(name, version, files)
        return Unpacked(self.read(name, version), was, is_new=True)

    def pin(self, name: str, version: str | None) -> str | None:
        """Pin a version that was checked, or none; gives what was pinned before."""
        return self._pins.put(name, version)

    def earlier(self, name: str, version: str) -> str:
        """Give the version before this one; raises BundleError when there is none."""
        return before(version, self._folder.versions(name))


def _number(version: str) -> int:
    return int(version.partition("-")[0])


def _same(one: str, other: str) -> bool:
    """Tell whether two versions have the same content: their hashes say so."""
    return one.partition("-")[2] == other.partition("-")[2]
