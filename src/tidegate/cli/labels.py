"""`tidegate labels`: what traffic has taught, to look at, to take along, to delete for good."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Labels learned from traffic: count, export, purge.", no_args_is_help=True)

_STATE = typer.Option(help="State directory.")
_JSON = typer.Option("--json", help="Print JSON.")


@app.command()
def stats(
    state: Annotated[Path | None, _STATE] = None,
    json: Annotated[bool, _JSON] = False,
) -> None:
    """Count labels by task and tenant; with or without a running node."""
    from tidegate.cli.label_view import counted, table
    from tidegate.cli.labels_at import opened_labels

    with opened_labels(state) as labels:
        found = counted(labels)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(found).decode())
        return
    from tidegate.cli.screen import put

    put(table(found))


@app.command()
def export(
    tenant: Annotated[str, typer.Option(help="Whose labels.")],
    state: Annotated[Path | None, _STATE] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="Also write vectors, as base64 of float16.")
    ] = False,
) -> None:
    """Write a tenant's labels to standard output, one JSON object a line."""
    from tidegate.cli.label_view import exported
    from tidegate.cli.labels_at import opened_labels

    with opened_labels(state) as labels:
        for row in labels.every(tenant):
            typer.echo(exported(row, with_vector=vectors))


@app.command()
def purge(
    tenant: Annotated[str | None, typer.Option(help="Whose labels.")] = None,
    user: Annotated[
        str | None, typer.Option(help="Of this end user of --tenant, as requests name them.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(help="Received before, as 2026-11-25 or 2026-11-25T12:00:00Z.")
    ] = None,
    state: Annotated[Path | None, _STATE] = None,
    only_here: Annotated[
        bool,
        typer.Option(
            "--only-here", help="Where another node learns, do not have it purge as well."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Annotated[bool, _JSON] = False,
) -> None:
    """Delete labels for good; a running node fits again what was fitted on them."""
    import time

    from tidegate.cli.label_view import told
    from tidegate.cli.labels_at import writable_labels
    from tidegate.cli.purging import carried_out, purge_of

    wanted = purge_of(tenant, user, before, state)
    if not yes and not typer.confirm("Delete these labels? Nothing brings them back."):
        raise typer.Abort
    with writable_labels(state) as labels:
        purged = carried_out(labels, wanted, user, only_here=only_here, now=time.time())
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(purged).decode())
        return
    for line in told(purged):
        typer.echo(line)
