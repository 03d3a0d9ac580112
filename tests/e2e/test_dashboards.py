"""What is shipped for Grafana and Prometheus asks for what a node really exports."""

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.harness import forward_to, running_gateway
from tidegate.domain.metric import Family
from tidegate.mock.server import running_mock

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "tidegate.json"
RULES = DEPLOY / "prometheus" / "tidegate.rules.yaml"
SCRAPE = DEPLOY / "prometheus" / "scrape.yaml"

PROMETHEUS_LABELS = {"instance", "job"}
"""Those that Prometheus itself sets on everything that it scrapes."""


@dataclass(frozen=True)
class Asked:
    """One series that an expression asks for, and the labels that it is asked or grouped by."""

    metric: str
    labels: frozenset[str]
    is_quantile: bool
    """A quantile is taken of it."""


def asked(expression: str) -> list[Asked]:
    """Give everything that an expression asks for; raises on one that is no PromQL."""
    plain = re.sub(r"\$__\w+", "5m", expression).replace("$instance", ".*")
    return list(_asked(promql_parser.parse(plain), frozenset(), is_quantile=False))


def _asked(node: Any, labels: frozenset[str], *, is_quantile: bool) -> Iterator[Asked]:
    match node:
        case promql_parser.VectorSelector():
            matched = {one.name for one in node.matchers.matchers}
            yield Asked(node.name or "", labels | matched, is_quantile)
        case promql_parser.MatrixSelector():
            yield from _asked(node.vector_selector, labels, is_quantile=is_quantile)
        case promql_parser.Call():
            is_quantile = is_quantile or node.func.name == "histogram_quantile"
            for argument in node.args:
                yield from _asked(argument, labels, is_quantile=is_quantile)
        case promql_parser.AggregateExpr():
            grouped = frozenset(node.modifier.labels) if node.modifier else frozenset()
            yield from _asked(node.expr, labels | grouped, is_quantile=is_quantile)
        case promql_parser.BinaryExpr():
            yield from _asked(node.lhs, labels, is_quantile=is_quantile)
            yield from _asked(node.rhs, labels, is_quantile=is_quantile)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from _asked(node.expr, labels, is_quantile=is_quantile)
        case promql_parser.NumberLiteral():
            return
        case _:
            raise AssertionError(f"{type(node).__name__} is not looked into")


def series(family: Family) -> Iterator[tuple[str, frozenset[str]]]:
    """Give the names under which a family is stored, with their labels."""
    labels = frozenset(family.labels)
    match family.kind:
        case "counter":
            yield f"{family.name}_total", labels
        case "gauge":
            yield family.name, labels
        case "histogram":
            yield f"{family.name}_bucket", labels | {"le"}
            yield from ((f"{family.name}_{end}", labels) for end in ("sum", "count"))
        case "summary":
            yield from ((f"{family.name}_{end}", labels) for end in ("sum", "count"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exported() -> AsyncIterator[Mapping[str, frozenset[str]]]:
    """Everything that a node exports, by the name under which it is stored."""
    async with running_mock() as mock, running_gateway(forward_to(mock.url)) as gateway:
        await gateway.chat()
        families = gateway.node.parts.metrics.families()
        text = (await gateway.admin("/metrics")).body.decode()
    found = {name: labels for family in families for name, labels in series(family)}
    seen = {
        sample.name: frozenset(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert {name for name in seen if not name.startswith("process_")} <= found.keys()
    assert all(found[name] == labels for name, labels in seen.items() if name in found)
    yield {"up": frozenset(), **seen, **found}


def of_dashboard() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("expression", [*of_dashboard(), *(rule["expr"] for rule in rules())])
async def test_every_expression_asks_for_what_there_is(
    expression: str, exported: Mapping[str, frozenset[str]]
) -> None:
    wanted = asked(expression)
    assert wanted
    for one in wanted:
        assert one.metric in exported, expression
        assert one.labels <= exported[one.metric] | PROMETHEUS_LABELS, expression
        if one.is_quantile:
            assert one.metric.endswith("_bucket"), expression
            assert "le" in one.labels, expression


@pytest.mark.asyncio(loop_scope="module")
async def test_every_metric_is_explained(exported: Mapping[str, frozenset[str]]) -> None:
    page = (DEPLOY.parent / "docs" / "observability.md").read_text()
    names = {re.sub("_(bucket|sum|count)$", "", name) for name in exported}
    ours = {name for name in names if name.startswith(("tidegate_", "gen_ai_"))}

    assert [name for name in sorted(ours) if f"`{name}`" not in page] == []


def test_an_expression_about_what_there_is_not_would_be_found() -> None:
    [one] = asked('histogram_quantile(0.9, sum by (le) (rate(no_such_bucket{a="b"}[5m])))')
    assert one == Asked("no_such_bucket", frozenset({"a", "le"}), is_quantile=True)


def test_legends_and_summaries_name_labels_that_are_left() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    shown = [
        (target["legendFormat"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    rules = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    shown += [
        (rule["annotations"]["summary"], rule["expr"]) for rule in rules if "by (" in rule["expr"]
    ]
    for text, expression in shown:
        named = set(re.findall(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", text)) - {"value"}
        grouped = {
            word for by in re.findall(r"by \(([^)]*)\)", expression) for word in by.split(", ")
        }
        assert named <= grouped, (text, expression)


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23


@pytest.mark.parametrize(("verb", "file"), [("rules", RULES), ("config", SCRAPE)])
def test_prometheus_itself_takes_the_files(verb: str, file: Path, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("`promtool` is not installed")
    token = tmp_path / "token"
    token.write_text("t")
    shutil.copy(RULES, tmp_path)
    copy = tmp_path / file.name
    copy.write_text(file.read_text().replace("/etc/prometheus/tidegate.token", str(token)))
    subprocess.run([promtool, "check", verb, copy], check=True, capture_output=True)
