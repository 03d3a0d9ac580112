"""Which version of each bundle the operator has pinned: one small file of the state directory."""

from pathlib import Path

import msgspec

from tidegate.adapters.private_file import locked, read_private, replace_private
from tidegate.domain.bundle import PLAIN_NAME, VERSION
from tidegate.errors import StateError


class PinFile:
    """Reads and changes the pins; a crash leaves the old ones or the new."""

    def __init__(self, path: Path) -> None:
        """Keep the path; nothing is read or made."""
        self._path = path

    def load(self) -> dict[str, str]:
        """Give the version by name of bundle; raises StateError when the file is damaged."""
        content = read_private(self._path)
        if content is None:
            return {}
        try:
            pins = msgspec.json.decode(content, type=dict[str, str])
        except msgspec.MsgspecError as error:
            raise self._damaged(str(error)) from error
        for name, version in pins.items():
            if not (PLAIN_NAME.fullmatch(name) and VERSION.fullmatch(version)):
                raise self._damaged(f"{name!r}: {version!r}")
        return pins

    def put(self, name: str, version: str | None) -> str | None:
        """Pin a version, or none; gives what was pinned before."""
        with locked(self._path):
            pins = self.load()
            former = pins.pop(name, None)
            if version is not None:
                pins[name] = version
            content = msgspec.json.format(msgspec.json.encode(pins, order="sorted"))
            replace_private(self._path, content + b"\n")
        return former

    def _damaged(self, why: str) -> StateError:
        return StateError(
            f"`{self._path}` is damaged ({why}); restore it, or delete it and pin anew"
        )
