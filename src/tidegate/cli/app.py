"""The command line: verbs and groups, put together. A verb loads what it needs when called."""

from typing import Annotated

import typer

from tidegate import __version__
from tidegate.cli import (
    backup,
    bundles,
    config,
    demo,
    doctor,
    guarantee,
    import_config,
    keys,
    labels,
    ledger,
    mock_upstream,
    reload,
    restore,
    run,
    tasks,
    train,
)

app = typer.Typer(
    name="tidegate",
    help="An inference gateway close to the user.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An inference gateway close to the user."""


app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("reload")(reload.reload)
app.command("train")(train.train)
app.command("guarantee")(guarantee.guarantee)
app.command("tasks")(tasks.tasks)
app.add_typer(bundles.app, name="bundles")
app.add_typer(ledger.app, name="ledger")
app.add_typer(keys.app, name="keys")
app.add_typer(labels.app, name="labels")
app.add_typer(config.app, name="config")
app.command("doctor")(doctor.doctor)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.add_typer(import_config.app, name="import")
app.command("mock-upstream")(mock_upstream.mock_upstream)
