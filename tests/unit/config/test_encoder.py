"""Which encoder a configuration names, and what is refused."""

from pathlib import Path

import pytest

from tidegate.adapters.encoder_folder import Described
from tidegate.adapters.encoder_hub import HubModel
from tidegate.config.encoder import EncoderSource
from tidegate.config.load import check_text

REVISION = "a" * 40


def checked(text: str, folder: Path) -> tuple[EncoderSource | None, list[str]]:
    found = check_text(text.encode(), "x.yaml", {"HUB_KEY": "secret"}, folder=folder)
    source = None if found.configuration is None else found.configuration.encoder_source
    return source, [problem.message for problem in found.problems]


def test_without_a_word_the_shipped_encoder_runs(tmp_path: Path) -> None:
    assert checked("{}", tmp_path) == (EncoderSource(), [])


def test_a_folder_counts_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()

    source, problems = checked(
        "encoder: {path: mine, pooling: cls, prefix: 'query: ', dimensions: [64]}", tmp_path
    )

    assert problems == []
    assert source == EncoderSource(tmp_path / "mine", None, Described("cls", "query: ", (64,)))


def test_a_hub_needs_a_commit_and_may_have_a_key(tmp_path: Path) -> None:
    text = f"encoder: {{hub: owner/name, revision: {REVISION}, key: 'env:HUB_KEY'}}"

    source, problems = checked(text, tmp_path)

    assert problems == []
    assert source is not None
    assert isinstance(source.hub, HubModel)
    assert (source.hub.name, source.hub.endpoint) == ("owner/name", "https://huggingface.co")
    assert source.hub.key is not None
    assert source.hub.key.reveal() == "secret"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{path: gone}", "there is no folder"),
        ("{hub: owner/name}", "needs `encoder.revision`"),
        (f"{{revision: {REVISION}}}", "does nothing without `encoder.hub`"),
        ("{key: 'env:HUB_KEY'}", "does nothing without `encoder.hub`"),
        (f"{{hub: owner/name, revision: {REVISION}, path: '.'}}", "exclude each other"),
        (f"{{hub: owner/name, revision: {REVISION}, key: hf_x}}", "must not stand in the file"),
        (f"{{hub: ../name, revision: {REVISION}}}", "hub"),
        ("{hub: owner/name, revision: main}", "revision"),
        ("{pooling: max, path: '.'}", "pooling"),
        ("{prefix: 'query: '}", "known of the encoder that ships"),
        ("{dimensions: [0], path: '.'}", "dimensions"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    source, problems = checked(f"encoder: {text}", tmp_path)

    assert source is None
    assert any(said in problem for problem in problems)
