"""`tidegate run`: a node in the foreground until SIGINT or SIGTERM; SIGHUP reloads."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    config: Annotated[
        Path | None,
        typer.Option(help="Configuration; default `tidegate.yaml` here, else the embedded one."),
    ] = None,
    state: Annotated[Path | None, typer.Option(help="State directory.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port for clients; 0 for any free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address for clients.")] = None,
    workers: Annotated[
        str | None,
        typer.Option(help="Processes that serve; `auto`: one for each core. Default 1."),
    ] = None,
) -> None:
    """Run a node: gateway, local engine, ledger."""
    import asyncio

    import uvloop

    from tidegate.cli.configured import Overrides, configured
    from tidegate.cli.serve import serve

    reread = configured(config, Overrides(host=host, port=port, workers=workers))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(reread(), reread, state))
