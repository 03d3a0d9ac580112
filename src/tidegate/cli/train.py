"""`tidegate train`: fit a head on labelled rows and store it as a new version of a bundle."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    file: Annotated[
        Path,
        typer.Argument(help="JSON lines: text, label (null: out of scope), optionally family."),
    ],
    task: Annotated[str, typer.Option(help="The task that the bundle is for.")],
    question: Annotated[
        Path | None,
        typer.Option(help="The task's question as a JSON file; default: `tasks.NAME.question`."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="What you state about the rows; kept in the bundle.")
    ] = None,
    zone: Annotated[
        list[str] | None,
        typer.Option(
            help="Residency zone that the rows belong to; may stand several times. Kept in the"
            " bundle. Default: that of the node."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration; default `tidegate.yaml` here.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="State directory.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit a head on the rows of FILE; nothing is stored when the fit does not converge."""
    import os
    import time

    from tidegate.adapters.bundles.folder import BundleFolder
    from tidegate.adapters.stores.state_directory import open_state_directory
    from tidegate.cli.configured import Overrides, configured
    from tidegate.cli.train_view import progress, read_question, read_rows_file, report, summary
    from tidegate.config.load import default_state_directory
    from tidegate.node.encoders import open_encoder
    from tidegate.node.static_training import open_static
    from tidegate.node.training import Job
    from tidegate.node.training import train as run

    started = time.perf_counter()
    configuration = configured(config, Overrides())()
    known = {one.name: one for one in configuration.tasks}.get(task)
    asked = read_question(question) if question else known.question if known else None
    job = Job(
        bundle=known.bundle if known else task,
        data=read_rows_file(file),
        source=str(file),
        question=asked,
        now=time.time(),
        licence=licence,
        pooling=known.pooling if known else "mean",
        zones=tuple(sorted(set(zone or (configuration.place.zone,)))),
    )
    paths = open_state_directory(state or default_state_directory())
    cores = len(os.sched_getaffinity(0))
    encoder = open_encoder(configuration.encoder_source, paths.root, cores)
    table = open_static()
    try:
        with progress() as advance:
            trained = run(job, encoder, BundleFolder(paths.bundles), advance, table=table)
    finally:
        encoder.close()
    took_s = time.perf_counter() - started
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(summary(trained, task, took_s)).decode())
        return
    report(trained, task, took_s)
