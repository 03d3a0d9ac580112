"""`tidegate backup`: one file of all that a node must not lose, taken while it runs."""

from pathlib import Path
from typing import Annotated

import typer


def backup(
    file: Annotated[Path, typer.Argument(help="Archive to write, a tar file.")],
    state: Annotated[Path | None, typer.Option(help="State directory.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Back up keys, ledger, journal, bundles, labels. FILE is a secret: keys are in it."""
    import time

    from tidegate import __version__
    from tidegate.adapters.backup import back_up
    from tidegate.adapters.stores.state_directory import StatePaths
    from tidegate.config.load import default_state_directory
    from tidegate.errors import StateError

    if file.exists() and not force:
        raise StateError(f"`{file}` exists; choose another name, or replace it with --force")
    paths = StatePaths(state or default_state_directory())
    manifest = back_up(paths, file, now=time.time(), version=__version__)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(manifest).decode())
        return
    size = sum(entry.size for entry in manifest.files)
    typer.echo(f"{len(manifest.files)} files, {size:,} bytes of `{paths.root}` are in `{file}`.")
