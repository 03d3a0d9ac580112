"""Which configuration a verb works with: the file named, the one in this folder, or the default."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tidegate.config.configuration import Configuration
from tidegate.config.load import DEFAULT_FILE, default_configuration, load
from tidegate.config.schema import MOST_WORKERS
from tidegate.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says over the configuration."""

    host: str | None = None
    port: int | None = None
    workers: str | None = None


def configured(file: Path | None, overrides: Overrides) -> Callable[[], Configuration]:
    """Give a function that reads the configuration, at start and again on reload."""

    def read() -> Configuration:
        found = file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
        configuration = default_configuration() if found is None else load(found)
        data = configuration.data
        if overrides.host is not None:
            data = replace(data, host=overrides.host)
        if overrides.port is not None:
            data = replace(data, port=overrides.port)
        workers = configuration.workers
        if overrides.workers is not None:
            workers = _workers(overrides.workers)
        return replace(configuration, data=data, workers=workers)

    return read


def _workers(wanted: str) -> int | None:
    """Read the option; None is one for each core."""
    if wanted == "auto":
        return None
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= MOST_WORKERS:
        return int(wanted)
    raise ConfigError(f"--workers is {wanted!r}; give a number from 1 to {MOST_WORKERS}, or `auto`")
