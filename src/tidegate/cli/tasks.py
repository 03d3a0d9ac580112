"""`tidegate tasks`: which tasks are configured, which bundles there are, what is served."""

from pathlib import Path
from typing import Annotated

import typer


def tasks(
    config: Annotated[
        Path | None, typer.Option(help="Configuration; default `tidegate.yaml` here.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="State directory.")] = None,
    learned: Annotated[
        bool, typer.Option("--learned", help="Only what traffic has taught.")
    ] = False,
    history: Annotated[
        str | None, typer.Option(help="Verdicts on a task, as `TASK` or `TASK.TENANT`.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks and bundles as they would be served here, with or without a running node."""
    if history is not None:
        _history(state, history, json=json)
        return
    from tidegate.adapters.bundles.folder import BundleFolder
    from tidegate.adapters.bundles.pins import PinFile
    from tidegate.adapters.clocks.system import SystemClock
    from tidegate.adapters.stores.state_directory import StatePaths
    from tidegate.cli.configured import Overrides, configured
    from tidegate.cli.learned_at import learned_at
    from tidegate.cli.learned_view import learned_listing
    from tidegate.cli.task_view import Shelf, TaskState, listing, states
    from tidegate.config.load import default_state_directory
    from tidegate.node.encoders import open_encoder
    from tidegate.node.static_training import open_static
    from tidegate.node.stock import Stock

    paths = StatePaths(state or default_state_directory())
    found: list[TaskState] = []
    if not learned:
        configuration = configured(config, Overrides())()
        encoder = open_encoder(configuration.encoder_source, paths.root, threads=1)
        try:
            bundles, pins = BundleFolder(paths.bundles), PinFile(paths.pins).load()
            stock, now = Stock(paths), SystemClock().now()
            table = open_static()
            shelf = Shelf(bundles, pins, encoder, table, stock.guarantee, stock.answers, now)
            found = states(configuration.tasks, shelf)
        finally:
            encoder.close()
    taught = learned_at(paths)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(taught if learned else found).decode())
        return
    from tidegate.cli.screen import put

    if not learned:
        put(listing(found))
    if taught or learned:
        put(learned_listing(taught))


def _history(state: Path | None, task: str, *, json: bool) -> None:
    """Print the verdicts on a task, newest first."""
    from tidegate.adapters.stores.state_directory import StatePaths
    from tidegate.cli.learned_at import verdicts_at
    from tidegate.cli.learned_view import told
    from tidegate.config.load import default_state_directory

    found = verdicts_at(StatePaths(state or default_state_directory()), task)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(found).decode())
        return
    for one in found:
        typer.echo(told(one))
