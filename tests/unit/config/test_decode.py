"""Whatever stands in a file, it is told and never raised; what is right is not complained about."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from tidegate.config.load import check_text
from tidegate.config.route_settings import RouteSettings, RuleSettings, WhenSettings
from tidegate.config.schema import ListenerSettings, NodeSettings, Settings
from tidegate.config.task_settings import ChoiceQuestionSettings, ScoreSettings, TaskSettings

KINDS = (
    Settings,
    NodeSettings,
    ListenerSettings,
    RouteSettings,
    RuleSettings,
    WhenSettings,
    TaskSettings,
    ChoiceQuestionSettings,
    ScoreSettings,
)
KEYS = sorted({field.encode_name for kind in KINDS for field in fields(kind)} | {"kind", "type"})
WORDS = ["", "a", "pop", "choice", "score", "predicate", "openai", "rules", "encoder", "env:A", "*"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=25,
)
files = st.dictionaries(
    st.sampled_from([field.encode_name for field in fields(Settings)]), values, max_size=4
)


@given(files | values)
def test_a_file_is_a_configuration_or_has_an_error(value: object) -> None:
    content = json.dumps(value).encode()
    checked = check_text(content, "x.yaml", {"A": "secret"}, folder=Path("/nonexistent"))
    has_error = any(problem.level == "error" for problem in checked.problems)
    assert (checked.configuration is None) is has_error


@given(files | values)
def test_no_message_shows_a_secret(value: object) -> None:
    content = json.dumps(value).encode()
    checked = check_text(content, "x.yaml", {"A": "s3cr3t"}, folder=Path("/nonexistent"))
    assert "s3cr3t" not in repr(checked)


BOTH_WRONG = {
    "a name too long and with blanks": (
        {"tenants": [{"name": "a b" * 40}]},
        ["tenants[0].name", "tenants[0].name"],
    ),
    "a list too short in a file with others": (
        {"tenants": [], "limits": {"inputs": 0}},
        ["limits.inputs", "tenants"],
    ),
    "an upstream of an unknown kind": (
        {
            "upstreams": [
                {"kind": "opnai", "name": "a b", "base_url": 7, "timeouts": {"gap_s": -1}},
            ]
        },
        [
            "upstreams[0].base_url",
            "upstreams[0].kind",
            "upstreams[0].name",
            "upstreams[0].timeouts.gap_s",
        ],
    ),
    "an upstream of no kind": (
        {"upstreams": [{"name": "a b"}]},
        ["upstreams[0].kind", "upstreams[0].name"],
    ),
    "a question of an unknown type": (
        {"tasks": {"t": {"question": {"type": "chioce", "instructions": 7}}}},
        ["tasks.t.question.instructions", "tasks.t.question.type"],
    ),
}


@pytest.mark.parametrize("name", BOTH_WRONG)
def test_a_field_that_is_wrong_hides_no_other_fault(name: str) -> None:
    value, places = BOTH_WRONG[name]
    problems = check_text(json.dumps(value).encode(), "f", {}, folder=Path()).problems
    told = sorted(
        next(place for place in places if f"`{place}" in one.message)
        for one in problems
        if one.level == "error"
    )
    assert told == sorted(places)
