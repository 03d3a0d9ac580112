"""`tidegate mock-upstream`: run the imitation of a model server until interrupted."""

from pathlib import Path
from typing import Annotated

import typer


def mock_upstream(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 lets the system choose.")] = 0,
    latency_ms: Annotated[float, typer.Option(help="Before the head of an answer.")] = 50.0,
    jitter_ms: Annotated[float, typer.Option(help="Added at random, from 0 to this.")] = 0.0,
    gap_ms: Annotated[float, typer.Option(help="Between the events of a stream.")] = 0.0,
    error_rate: Annotated[float, typer.Option(help="Share of calls answered with 500.")] = 0.0,
    rules: Annotated[
        Path | None, typer.Option(help='JSON file `{"label": ["example", ...]}`.')
    ] = None,
    seed: Annotated[int, typer.Option(help="Fixes the draws of jitter and errors.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Run a mock of OpenAI and Anthropic that says it is one in every answer."""
    import asyncio
    import signal

    import msgspec

    from tidegate.errors import ConfigError
    from tidegate.mock.rules import Rules, load_rules
    from tidegate.mock.server import serve
    from tidegate.mock.settings import Settings

    wanted = {
        "latency_ms": latency_ms,
        "jitter_ms": jitter_ms,
        "gap_ms": gap_ms,
        "error_rate": error_rate,
    }
    try:
        settings = msgspec.convert(wanted, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"The mock cannot be set so: {error}") from error
    known = load_rules(rules) if rules is not None else Rules()

    async def run() -> None:
        running = await serve(settings, port, rules=known, seed=seed)
        if json:
            ready = {"event": "mock.ready", "port": running.port, "url": running.url}
            typer.echo(msgspec.json.encode(ready).decode())
        else:
            typer.echo(f"Mock upstream at {running.url} (Ctrl-C ends it)")
        stop = asyncio.Event()
        # Set by hand: a script's background job begins with an interrupt that is ignored.
        for wanted in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(wanted, stop.set)
        await stop.wait()
        await running.stop()

    asyncio.run(run())
