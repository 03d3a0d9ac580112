"""`tidegate bundles`: what heads and encoders are made of, as files."""

import typer

from tidegate.cli import build_encoder

app = typer.Typer(help="Bundles and encoders, as files.", no_args_is_help=True)

app.command("build-encoder")(build_encoder.build_encoder)
