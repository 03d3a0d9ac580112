"""`tidegate reload`: has a running node read its configuration and bundles anew."""

from pathlib import Path
from typing import Annotated

import typer


def reload(
    state: Annotated[Path | None, typer.Option(help="State directory of the node.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Reload configuration and bundles of the node on this machine, without losing a request."""
    from tidegate.cli.admin_client import Reloaded, ask_admin

    answer = ask_admin("POST", "/admin/reload", state)
    if json:
        typer.echo(answer.decode())
        return
    import msgspec

    facts = msgspec.json.decode(answer, type=Reloaded)
    typer.echo(f"generation {facts.generation} is in force")
    for task, why in facts.unserved.items():
        typer.echo(f"task `{task}` is not served: {why}", err=True)
    for task, why in facts.held_back.items():
        typer.echo(f"task `{task}`: {why}", err=True)
    if facts.needs_restart:
        typer.echo(f"needs a restart to take effect: {', '.join(facts.needs_restart)}", err=True)
