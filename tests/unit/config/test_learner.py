"""Who learns: settings that must agree, and the configurations that the documentation shows."""

import re
from pathlib import Path

import pytest

from tidegate.config.load import check_text

ROOT = Path(__file__).parents[3]
BASE = """
node: {tier: pop, region: eu-west, zone: eu}
upstreams:
  - {name: far, kind: openai, base_url: "http://127.0.0.1:9/v1", tier: central, region: a, zone: a}
  - {name: hub, kind: tidegate, base_url: "%s", tier: region, region: eu, zone: eu%s}
routes: [{models: [m], upstreams: [far], learn: true}]
"""
URL = "http://127.0.0.1:8081/v1"
KEY = ', api_key: "env:HUB_KEY"'


def messages(learning: str, *, url: str = URL, key: str = KEY) -> list[str]:
    content = (BASE % (url, key) + learning).encode()
    checked = check_text(content, None, {"HUB_KEY": "tg-1"}, folder=Path())
    return [problem.message for problem in checked.problems]


def test_a_node_that_collects_names_its_learner() -> None:
    content = (BASE % (URL, KEY) + "learning: {role: collect, learner: hub}").encode()
    found = check_text(content, None, {"HUB_KEY": "tg-1"}, folder=Path())
    assert found.configuration is not None
    assert found.problems == ()
    assert found.configuration.learner is not None
    assert found.configuration.learner.settings.name == "hub"


def test_a_task_may_have_a_role_of_its_own() -> None:
    text = "learning: {learner: hub}\ntasks: {t: {role: serve}}"
    found = check_text((BASE % (URL, KEY) + text).encode(), None, {"HUB_KEY": "k"}, folder=Path())
    assert found.configuration is not None
    assert found.configuration.learn_roles == {"t": "serve"}


@pytest.mark.parametrize(
    ("learning", "words"),
    [
        ("learning: {role: collect}", "`collect` needs `learning.learner`"),
        ("tasks: {t: {role: serve}}", "`serve` needs `learning.learner`"),
        ("learning: {role: collect, learner: hab}", "there is no upstream `hab`"),
        ("learning: {role: collect, learner: far}", "is not of kind `tidegate`"),
        ("learning: {learner: hub}", "nothing is learned there"),
        ("learning: {role: teach}", "teach"),
        ("learning: {role: collect, learner: hub, lapse_s: 0}", "lapse_s"),
    ],
)
def test_what_does_not_agree_is_told(learning: str, words: str) -> None:
    assert any(words in message for message in messages(learning)), messages(learning)


def test_labels_go_over_tls_and_with_a_key() -> None:
    learning = "learning: {role: collect, learner: hub}"
    plain = messages(learning, url="http://hub.example:8081/v1")
    assert any("labels are personal: use https" in message for message in plain)
    assert messages(learning, url="https://hub.example/v1") == []
    assert any("has no `api_key`" in message for message in messages(learning, key=""))


def test_the_configurations_of_the_documentation_are_right(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "exchange.md").read_text(encoding="utf-8")
    found = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(found) == 2
    (tmp_path / "hub.key").write_text("tg-1")
    (tmp_path / "hub.key").chmod(0o600)
    for content in found:
        checked = check_text(content.encode(), None, {"OPENAI_API_KEY": "k"}, folder=tmp_path)
        assert checked.problems == ()
