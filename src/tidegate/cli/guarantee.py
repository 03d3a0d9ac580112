"""`tidegate guarantee`: test what a bundle may answer here, on labels that it has never seen."""

from pathlib import Path
from typing import Annotated

import typer


def guarantee(
    task: Annotated[str, typer.Argument(help="A task of the configuration.")],
    labels: Annotated[
        Path,
        typer.Option(
            help="JSON lines: text, label (null: fits none), optionally family and region; labels"
            " by task where several are promised together. You vouch that the bundle was not"
            " fitted on them."
        ),
    ],
    max_error: Annotated[
        float | None,
        typer.Option(min=0.0001, max=0.4999, help="Default: `tasks.NAME.max_error`."),
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option(min=0.0001, max=0.4999, help="1 - confidence; default as configured."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration; default `tidegate.yaml` here.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="State directory.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Test the task's bundle on the rows of LABELS and store the verdict; then `tidegate reload`.

    Exit code 0 when a guarantee was granted, 3 when it is infeasible with these rows.
    """
    import os
    import time

    from tidegate.adapters.bundles.folder import BundleFolder
    from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
    from tidegate.adapters.stores.state_directory import open_state_directory
    from tidegate.cli.configured import Overrides, configured
    from tidegate.cli.guarantee_view import INFEASIBLE, company_of, promise_of, report, task_of
    from tidegate.cli.train_view import progress, read_rows_file
    from tidegate.config.load import default_state_directory
    from tidegate.node.encoders import open_encoder
    from tidegate.node.proving import Engines, Trial, prove
    from tidegate.node.static_training import open_static

    configuration = configured(config, Overrides())()
    known = task_of(configuration.tasks, task)
    promise = promise_of(known, max_error=max_error, delta=delta)
    others = company_of(known, configuration.tasks)
    trial = Trial(known, promise, read_rows_file(labels), str(labels), time.time(), others)
    paths = open_state_directory(state or default_state_directory())
    cores = len(os.sched_getaffinity(0))
    encoder = open_encoder(configuration.encoder_source, paths.root, cores)
    store = SqliteGuarantees.open(paths.guarantees)
    try:
        with progress() as advance:
            outcome = prove(
                trial,
                Engines(encoder, open_static()),
                BundleFolder(paths.bundles),
                store,
                lambda done, total: advance("encode", done, total),
            )
    finally:
        encoder.close()
        store.close()
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(outcome).decode())
    else:
        report(outcome)
    if outcome.guarantee.state != "granted":
        raise typer.Exit(INFEASIBLE)
