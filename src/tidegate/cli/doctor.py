"""`tidegate doctor`: what this machine can do, and which settings suit it."""

from pathlib import Path
from typing import Annotated

import typer

EXIT_UNUSABLE = 1


def doctor(
    config: Annotated[
        Path | None, typer.Option(help="Configuration; default `tidegate.yaml` here, or none.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="State directory.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at processor, limits, encoder and state directory; takes some seconds.

    Exit codes: 0 a node runs here, whatever the advice; 1 it would not; 2 the configuration is
    wrong.
    """
    from tidegate.adapters.machine import look_at_machine
    from tidegate.cli.configured import Overrides, configured
    from tidegate.config.load import default_state_directory
    from tidegate.node.doctor import diagnose

    configuration = configured(config, Overrides())()
    found = diagnose(
        look_at_machine(),
        configuration.encoder_source,
        state or default_state_directory(),
        threads=configuration.encoder.threads,
    )
    if json:
        import msgspec

        typer.echo(msgspec.json.encode({**_fields(found), "usable": found.is_usable}).decode())
    else:
        from tidegate.cli.doctor_view import show

        show(found)
    if not found.is_usable:
        raise typer.Exit(EXIT_UNUSABLE)


def _fields(found: object) -> dict[str, object]:
    import msgspec

    fields: dict[str, object] = msgspec.to_builtins(found, str_keys=True)
    return fields
