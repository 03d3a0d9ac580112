"""`tidegate bundles`: look at bundles, check, ship, pin them; build an encoder."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import build_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.domain.task import Task
    from tidegate.node.stock import Stock

app = typer.Typer(help="Bundles and encoders, as files.", no_args_is_help=True)
app.command("build-encoder")(build_encoder.build_encoder)

State = Annotated[Path | None, typer.Option("--state", help="State directory.")]
Config = Annotated[
    Path | None, typer.Option("--config", help="Configuration; default `tidegate.yaml` here.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wanted = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="Without a version: the one that serves.")
]


@app.command("list")
def list_bundles(state: State = None, json: Json = False) -> None:
    """List all versions of all bundles."""
    from tidegate.cli.bundle_view import listing, rows, told

    told(found := rows(_stock(state)), json=json, text=lambda: listing(found))


@app.command()
def show(bundle: Wanted, config: Config = None, state: State = None, json: Json = False) -> None:
    """Show what one version is made of and how good it is."""
    from tidegate.cli.bundle_view import described, details, told

    stock = _stock(state)
    found = details(stock, stock.find(bundle, _tasks(config)))
    told(found, json=json, text=lambda: described(found))


@app.command()
def verify(
    bundle: Annotated[
        str | None, typer.Argument(metavar="[NAME[@VERSION]]", help="Default: all of them.")
    ] = None,
    config: Config = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Check hashes, values, encoder and golden scores, as a node does; 1 when one fails."""
    from tidegate.cli.bundle_view import told, verdicts, verdicts_text
    from tidegate.cli.configured import Overrides, configured
    from tidegate.cli.encoder_here import encoder_here
    from tidegate.node.stock import Meant

    stock, configuration = _stock(state), configured(config, Overrides())()
    if bundle is None:
        wanted = [Meant(name, version, "named") for name, version in stock.all()]
    else:
        wanted = [stock.find(bundle, configuration.tasks)]
    with encoder_here(configuration, stock.paths) as encoder:
        found = asyncio.run(verdicts(stock, wanted, encoder))
    told(found, json=json, text=lambda: verdicts_text(found))
    if not all(one.is_good for one in found):
        raise typer.Exit(1)


@app.command()
def pack(
    bundle: Wanted,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: NAME-VERSION.bundle.tar here.")
    ] = None,
    config: Config = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Write one version into one file."""
    from tidegate.cli.bundle_view import packed, told

    stock = _stock(state)
    meant = stock.find(bundle, _tasks(config))
    found = packed(*stock.pack(meant.name, meant.version, output))
    told(found, json=json, text=lambda: f"{found.path}: {found.size_bytes} bytes")


@app.command()
def unpack(
    file: Annotated[Path, typer.Argument(help="As `tidegate bundles pack` wrote it.")],
    config: Config = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Check an archive and add its version; a running node takes it over when it is the newest."""
    from tidegate.cli.bundle_view import told, unpacked
    from tidegate.cli.configured import Overrides, configured
    from tidegate.cli.encoder_here import encoder_here
    from tidegate.cli.rollout import reload_running

    stock = _stock(state)
    with encoder_here(configured(config, Overrides())(), stock.paths) as encoder:
        made = asyncio.run(stock.unpack(file, encoder))
    found = unpacked(stock, made, reload_running(state))
    told(found, json=json, text=lambda: found.text)


@app.command()
def pin(
    bundle: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Which is to serve.")],
    newest: Annotated[
        bool, typer.Option("--newest", help="Unpin: the newest good version serves.")
    ] = False,
    config: Config = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Choose the version that serves; a running node takes it over at once."""
    from tidegate.cli.bundle_view import told
    from tidegate.cli.rollout import change_pin

    stock = _stock(state)
    # To unpin, the name alone counts, whatever its tasks serve.
    meant = stock.find(bundle, () if newest else _tasks(config))
    version = None if newest else meant.version
    found = change_pin(stock, meant.name, version, state=state, config=config)
    told(found, json=json, text=lambda: found.text)


@app.command()
def rollback(
    bundle: Annotated[str, typer.Argument(metavar="NAME", help="The bundle.")],
    config: Config = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Pin the version before the one that serves."""
    from tidegate.cli.bundle_view import told
    from tidegate.cli.rollout import change_pin

    stock = _stock(state)
    meant = stock.find(bundle, _tasks(config))
    earlier = stock.earlier(meant.name, meant.version)
    found = change_pin(stock, meant.name, earlier, state=state, config=config)
    told(found, json=json, text=lambda: found.text)


def _tasks(config: Path | None) -> "Sequence[Task]":
    from tidegate.cli.configured import Overrides, configured

    return configured(config, Overrides())().tasks


def _stock(state: Path | None) -> "Stock":
    from tidegate.adapters.stores.state_directory import open_state_directory
    from tidegate.config.load import default_state_directory
    from tidegate.node.stock import Stock

    return Stock(open_state_directory(state or default_state_directory()))
