"""`tidegate ledger`: look at records; read-only, with or without a running node."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
    from tidegate.adapters.stores.state_directory import StatePaths
    from tidegate.domain.record import Record

app = typer.Typer(help="Look at the records of answered requests.", no_args_is_help=True)

State = Annotated[Path | None, typer.Option("--state", help="State directory.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_POLL_S = 0.5


@app.command()
def tail(
    count: Annotated[int, typer.Option("-n", min=0, help="How many.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    state: State = None,
    json: Json = False,
) -> None:
    """Show the newest records; with --json one object a line."""
    import time

    from tidegate.adapters.record_reader import Follower

    paths = _paths(state)
    if not follow:
        with _records(paths) as records:
            _print_records(records.tail(count), is_json=json)
        return
    follower = Follower(paths.ledger, paths.journal)
    news = follower.news()
    _print_records(news[len(news) - min(count, len(news)) :], is_json=json)
    try:
        while True:
            time.sleep(_POLL_S)
            if news := follower.news():
                _print_records(news, is_json=json)
    except KeyboardInterrupt:
        return


@app.command()
def show(
    request_id: Annotated[str, typer.Argument(help="From `tail` or `x-request-id`.")],
    state: State = None,
    json: Json = False,
) -> None:
    """Show one record: where its time went, who was asked, what came out."""
    from tidegate.errors import StateError

    paths = _paths(state)
    with _records(paths) as records:
        record = records.find(request_id)
    if record is None:
        raise StateError(
            f"No record `{request_id}` in `{paths.root}`; it may be of another node or older than"
            " the ledger keeps"
        )
    if json:
        _print_records([record], is_json=True)
        return
    from tidegate.cli.record_view import timeline
    from tidegate.cli.screen import put

    put(timeline(record))


@app.command("sum")
def sum_records(
    by: Annotated[
        Literal["source", "tier", "tenant", "model", "upstream", "surface"],
        typer.Option(help="What to group by."),
    ] = "source",
    since: Annotated[str | None, typer.Option(help="Only the last 1h, 7d and so on.")] = None,
    state: State = None,
    json: Json = False,
) -> None:
    """Sum requests, times, tokens and money by group."""
    import time

    from tidegate.config.duration import parse_duration

    start = None if since is None else time.time() - parse_duration(since, "--since")
    with _records(_paths(state)) as records:
        totals = records.totals(by, start)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(totals).decode())
        return
    from tidegate.cli.record_view import sums
    from tidegate.cli.screen import put

    put(sums(totals, by))


def _paths(state: Path | None) -> "StatePaths":
    from tidegate.adapters.stores.state_directory import StatePaths
    from tidegate.config.load import default_state_directory
    from tidegate.errors import StateError

    if state is None:
        return StatePaths(default_state_directory())
    if not state.is_dir():
        raise StateError(f"there is no state directory `{state}`; give --state as the node has it")
    return StatePaths(state)


def _records(paths: "StatePaths") -> "AbstractContextManager[SqliteLedger]":
    from tidegate.adapters.record_reader import open_records

    return open_records(paths.ledger, paths.journal)


def _print_records(records: "Sequence[Record]", *, is_json: bool) -> None:
    if is_json:
        from tidegate.wire import journal

        for record in records:
            typer.echo(journal.encode(record), nl=False)
        return
    from tidegate.cli.record_view import listing
    from tidegate.cli.screen import put

    put(listing(records))
