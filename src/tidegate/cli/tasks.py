"""`tidegate tasks`: which tasks are configured, which bundles there are, what is served."""

from pathlib import Path
from typing import Annotated

import typer


def tasks(
    config: Annotated[
        Path | None, typer.Option(help="Configuration; default `tidegate.yaml` here.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="State directory.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks and bundles as they would be served here, with or without a running node."""
    from tidegate.adapters.bundles.folder import BundleFolder
    from tidegate.adapters.stores.state_directory import StatePaths
    from tidegate.cli.configured import Overrides, configured
    from tidegate.cli.task_view import listing, states
    from tidegate.config.load import default_state_directory
    from tidegate.node.training import bundled_encoder

    paths = StatePaths(state or default_state_directory())
    tasks_of = configured(config, Overrides())().tasks
    encoder = bundled_encoder(threads=1)
    try:
        found = states(tasks_of, BundleFolder(paths.bundles), encoder)
    finally:
        encoder.close()
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(found).decode())
        return
    from rich.console import Console

    Console().print(listing(found))
