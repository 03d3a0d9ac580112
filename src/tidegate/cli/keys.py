"""`tidegate keys`: make, list and revoke API keys. A running node follows within a second."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from tidegate.adapters.stores.key_file import KeyFile
    from tidegate.domain.key import KeyRow

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

State = Annotated[Path | None, typer.Option("--state", help="State directory.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_DEFAULT = "`chat`, `embeddings`, `decisions`, `models`."
_UNNAMED_TENANT = "default"
"""Of a configuration without `tenants`."""
_ID_WIDTH = 14


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="Tenant that the key speaks for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What the key may do; repeat for more. Default: " + _DEFAULT),
    ] = None,
    role: Annotated[
        Literal["client", "node"], typer.Option(help="`node`: for another Tidegate.")
    ] = "client",
    expires: Annotated[
        str | None, typer.Option(help="Time until it expires, as in 90d. Default: never.")
    ] = None,
    note: Annotated[str, typer.Option(help="Your own words: where the key is used.")] = "",
    state: State = None,
    json: Json = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    import os
    import time

    from tidegate.config.duration import parse_duration
    from tidegate.domain.identity import Identity
    from tidegate.domain.key import KeyRow
    from tidegate.policy.keys import RANDOM_BYTES, hash_key, key_id, make_key, parse_scopes

    now = time.time()
    lifetime = None if expires is None else parse_duration(expires, "--expires")
    scopes = parse_scopes(scope or ())
    keys = _open(state)
    key = make_key(os.urandom(RANDOM_BYTES))
    digest = hash_key(keys.load().pepper, key)
    row = KeyRow(
        identity=Identity(tenant=tenant, key_id=key_id(digest), role=role, scopes=scopes),
        digest=digest,
        created=now,
        expires=None if lifetime is None else now + lifetime,
        note=note,
    )
    keys.add(row)
    if json:
        _print_json({"key": key, **_shown(row)})
        return
    typer.echo(key)
    typer.echo(f"Key {row.identity.key_id} of tenant {tenant}. It is not shown again.", err=True)
    if tenant != _UNNAMED_TENANT:
        typer.echo(f"Nodes take it where `tenants` in their file names `{tenant}`.", err=True)


@app.command("list")
def list_keys(state: State = None, json: Json = False) -> None:
    """List all keys, without the keys themselves."""
    import time

    rows = _open(state).load().rows
    if json:
        _print_json([_shown(row) for row in rows])
        return
    from rich.table import Column, Table

    from tidegate.cli.screen import put

    # Whole at any width: it is what `keys revoke` takes.
    table = Table(Column("id", no_wrap=True, min_width=_ID_WIDTH))
    for title in ("tenant", "role", "scopes", "created", "expires", "state", "note"):
        table.add_column(title)
    now = time.time()
    for row in rows:
        who = row.identity
        table.add_row(
            who.key_id,
            who.tenant,
            who.role,
            " ".join(sorted(who.scopes)),
            _day(row.created),
            _day(row.expires),
            row.state(now),
            row.note,
        )
    put(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="As `tidegate keys list` shows it.")],
    state: State = None,
    json: Json = False,
) -> None:
    """Revoke a key; it cannot be undone."""
    import time

    row = _open(state).revoke(key, time.time())
    if json:
        _print_json(_shown(row))
        return
    typer.echo(f"Key {row.identity.key_id} of tenant {row.identity.tenant} is revoked.")


def _open(state: Path | None) -> "KeyFile":
    from tidegate.adapters.stores.key_file import KeyFile
    from tidegate.adapters.stores.state_directory import open_state_directory
    from tidegate.config.load import default_state_directory

    paths = open_state_directory(default_state_directory() if state is None else state)
    return KeyFile(paths.keys, paths.pepper)


def _shown(row: "KeyRow") -> dict[str, object]:
    who = row.identity
    return {
        "id": who.key_id,
        "tenant": who.tenant,
        "role": who.role,
        "scopes": sorted(who.scopes),
        "created": row.created,
        "expires": row.expires,
        "revoked": row.revoked,
        "note": row.note,
    }


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(value).decode())


def _day(seconds: float | None) -> str:
    from datetime import UTC, datetime

    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
