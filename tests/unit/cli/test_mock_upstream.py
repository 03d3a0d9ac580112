import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tidegate.cli.mock_upstream import mock_upstream
from tidegate.errors import ConfigError

RUN = "import typer; from tidegate.cli.mock_upstream import mock_upstream; typer.run(mock_upstream)"

IN_THE_BACKGROUND = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""As a script's background job begins."""


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_answers_and_ends_when_told(wanted: signal.Signals) -> None:
    command = [sys.executable, "-c", f"{IN_THE_BACKGROUND}; {RUN}", "--json", "--latency-ms", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        assert ready["event"] == "mock.ready"
        with urllib.request.urlopen(f"{ready['url']}/models", timeout=10) as answer:
            assert answer.headers["x-tidegate-mock"] == "true"
        child.send_signal(wanted)
        assert child.wait(10) == 0


def test_settings_out_of_bounds_are_refused() -> None:
    with pytest.raises(ConfigError, match="error_rate"):
        mock_upstream(error_rate=3.0)


def test_rules_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        mock_upstream(rules=tmp_path / "none.json")
