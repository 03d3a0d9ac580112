"""From a file to a configuration: what it becomes, and every mistake told at once."""

from pathlib import Path

import pytest

from tidegate.adapters.upstream_settings import EnvironmentProxies
from tidegate.config.configuration import Configuration, TcpAddress, UnixAddress
from tidegate.config.load import (
    Checked,
    check,
    check_text,
    default_configuration,
    default_state_directory,
    environment_proxies,
    load,
)
from tidegate.domain.question import Option, Question
from tidegate.domain.route import CachePolicy, ChatTemplate, Rule, Target
from tidegate.domain.zone import Place
from tidegate.errors import ConfigError

UPSTREAMS = """
upstreams:
  - {name: edge, kind: openai, base_url: "http://127.0.0.1:9/v1", tier: pop, region: r, zone: z}
  - {name: far, kind: openai, base_url: "https://far/v1", tier: central, region: r, zone: z}
"""


def checked(text: str, environment: dict[str, str] | None = None) -> Checked:
    return check_text(text.encode(), "x.yaml", environment or {}, folder=Path("/nonexistent"))


def configured(text: str, environment: dict[str, str] | None = None) -> Configuration:
    result = checked(text, environment)
    assert result.configuration is not None, result.problems
    return result.configuration


def told(text: str, environment: dict[str, str] | None = None) -> str:
    result = checked(text, environment)
    assert result.configuration is None
    return "\n".join(problem.in_file("x.yaml") for problem in result.problems)


def test_the_default_answers_embeddings_for_one_tenant() -> None:
    configuration = default_configuration({})
    assert configuration.source is None
    assert configuration.tenants == ("default",)
    assert configuration.upstreams == ()
    assert [route.models for route in configuration.routes] == [("tidegate/all-minilm-l6-v2",)]
    assert configuration.routes[0].uses_encoder
    assert configuration.data == TcpAddress("127.0.0.1", 4000)
    assert configuration.admin == TcpAddress("127.0.0.1", 0)


def test_node_listeners_and_tenants_become_values() -> None:
    configuration = configured(
        "node: {name: edge-1, tier: pop, region: eu-west, zone: eu}\n"
        "listeners: {data: {port: 0}, admin: {unix: /run/tidegate.sock}}\n"
        "tenants: [{name: a}, {name: b}]\n"
        "limits: {questions: 5}\n"
        "log: {format: json}\n"
    )
    assert configuration.place == Place("pop", "eu-west", "eu")
    assert configuration.data.port == 0
    assert configuration.admin == UnixAddress(Path("/run/tidegate.sock"))
    assert configuration.tenants == ("a", "b")
    assert (configuration.limits.questions, configuration.limits.inputs) == (5, 2048)
    assert configuration.log_format == "json"


def test_an_upstream_gets_its_adapter_and_its_secret() -> None:
    text = UPSTREAMS.replace("name: far,", 'name: far, api_key: "env:KEY",')
    edge, far = configured(text, {"KEY": "sk-1"}).upstreams
    assert edge.adapter == "upstreams.openai"
    assert edge.secret is None
    assert far.secret is not None
    assert far.secret.reveal() == "sk-1"
    assert "sk-1" not in repr(far)


def test_a_route_becomes_a_value() -> None:
    route = configured(
        UPSTREAMS + "routes:\n"
        "  - models: [m, alias]\n"
        "    upstreams: [edge, {name: far, model: big}]\n"
        "    strategy: rules\n"
        "    rules: [{when: {max_tokens: 400, needs: []}, to: edge}]\n"
        "    cache: {chat: {ttl_s: 60}, embeddings: off, sampled: true}\n"
        "    forward: [user]\n"
    ).routes[0]
    assert route.name == "m"
    assert route.targets == (Target("edge", ""), Target("far", "big"))
    assert route.rules == (Rule("edge", max_tokens=400, needs=frozenset()),)
    assert route.cache_policy("chat") == CachePolicy(is_on=True, ttl_s=60, allows_sampled=True)
    assert not route.cache_policy("embeddings").is_on
    assert route.cache_policy("decisions").is_on
    assert route.forward == {"user"}


@pytest.mark.parametrize(
    ("word", "states"),
    [
        ("", (False, True, True)),
        (", cache: off", (False, False, False)),
        (", cache: false", (False, False, False)),
        (", cache: on", (True, True, True)),
        (", cache: {chat: on}", (True, True, True)),
        (", cache: {decisions: false}", (False, True, False)),
    ],
)
def test_caching_is_on_for_embeddings_and_decisions_unless_stated(
    word: str, states: tuple[bool, bool, bool]
) -> None:
    route = configured(UPSTREAMS + f"routes: [{{models: [m], upstreams: [far]{word}}}]").routes[0]
    chat, embeddings, decisions = (
        route.cache_policy("chat"),
        route.cache_policy("embeddings"),
        route.cache_policy("decisions"),
    )
    assert (chat.is_on, embeddings.is_on, decisions.is_on) == states


def test_a_task_brings_a_route_of_its_own() -> None:
    configuration = configured(
        UPSTREAMS + "tasks:\n"
        "  support:\n"
        "    question: {type: choice, instructions: Which queue, choices: [{value: a,"
        " description: A}, {value: true}]}\n"
        "    threshold: 0.9\n"
        "    unguaranteed: true\n"
        "    accept_names: [queue]\n"
        "    upstreams: [{name: far, model: big}]\n"
    )
    task = configuration.tasks[0]
    options = (Option("a", "A"), Option(value=True))
    assert task.question == Question("choice", None, "Which queue", options)
    assert task.may_serve
    assert task.bundle == "support"
    route = configuration.routes[-1]
    assert route.models == ("tidegate/support",)
    assert route.targets == (Target("far", "big"),)
    assert route.tasks == ("support",)


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("{type: predicate, instructions: Angry}", ()),
        (
            "{type: score, instructions: How bad, levels: [{label: low}, {label: high}]}",
            (Option("low"), Option("high")),
        ),
    ],
)
def test_the_other_kinds_of_questions_are_taken(question: str, options: tuple[Option, ...]) -> None:
    task = configured(f"tasks: {{t: {{question: {question}}}}}").tasks[0]
    assert task.question is not None
    assert task.question.options == options


def test_an_explicit_route_replaces_the_implicit_one() -> None:
    routes = configured(
        "tasks: {t: {}}\nroutes: [{models: [tidegate/t], tasks: [t], deadline_s: 5}]"
    ).routes
    assert [route.deadline_s for route in routes if "tidegate/t" in route.models] == [5]


PREDICATE = "{type: predicate, instructions: x}}}"
RULES = "routes: [{models: [m], upstreams: [far], strategy: rules, rules: ["

CHOICE = "tasks: {t: {question: {type: choice, instructions: x, "

MISTAKES = [
    ("routse: []", "x.yaml:1: `routse` is not known; did you mean `routes`?"),
    ("[]", "expected a mapping, got a list"),
    ("~", "expected a mapping, got nothing"),
    ("node: {tier: popp, region: r, zone: z}", "`node.tier`: it is 'popp'; did you mean `pop`?"),
    ("node: {tier: pop}", "`node.region` is missing"),
    ("node: {tier: pop, region: 1, zone: z}", "`node.region`: expected a text"),
    ("node: {tier: pop, region: 1, zone: z}", "put it in quotes"),
    ("node: {tier: pop, region: '', zone: z}", "`node.region`: expected a text of length >= 1"),
    ("node: {name: a b, tier: pop, region: r, zone: z}", "`node.name`"),
    ("tenants: []", "`tenants`: expected a list of length >= 1"),
    ("tenants: acme", "`tenants`: expected a list, got a text"),
    ("tenants: [{name: a}, {name: a}]", "there are two tenants called `a`"),
    ("limits: {body_bytes: 10}", "`limits.body_bytes`: expected a whole number >= 1024"),
    ("limits: {body_bytes: 1.5}", "`limits.body_bytes`: expected a whole number"),
    ("limits: {head_s: true}", "`limits.head_s`: expected a number"),
    ("listeners: {data: {port: 70000}}", "`listeners.data.port`"),
    ("listeners: {admin: {host: 0.0.0.0}}", "takes loopback only"),
    ("listeners: {admin: {host: example.org}}", "takes loopback only"),
    ("listeners: {admin: {unix: " + "s" * 120 + "}}", "longer than 107 bytes"),
    ("prices: none.json", "there is no file `/nonexistent/none.json`"),
    ("upstreams: [{name: a}]", "`upstreams[0].kind` is missing; known are `anthropic`"),
    ("upstreams: [{kind: opnai}]", "`upstreams[0].kind` is 'opnai'; did you mean `openai`?"),
    ("upstreams: [{kind: [openai]}]", "`upstreams[0].kind`"),
    ("routes: [{models: [m], upstreams: [gone]}]", "there is no upstream `gone`"),
    (UPSTREAMS + "routes: [{models: [m], upstreams: [edgee]}]", "did you mean `edge`?"),
    (UPSTREAMS + "routes: [{models: [m], upstreams: [far, far]}]", "`far` stands twice"),
    (
        UPSTREAMS + "routes: [{models: [m], upstreams: [far]}, {models: [m], upstreams: [edge]}]",
        "the model `m` has a route already, on line 5",
    ),
    (UPSTREAMS + "routes: [{models: [m], upstreams: [far], local: encoder}]", "another space"),
    ("routes: [{models: [m]}]", "`routes[0]` leads nowhere"),
    ("routes: [{models: []}]", "`routes[0].models`: expected a list of length >= 1"),
    ("routes: [{models: [m], tasks: [suport]}]\ntasks: {support: {}}", "did you mean `support`?"),
    ("routes: [{models: [m], local: encoder, cache: onn}]", "did you mean `on`?"),
    ("routes: [{models: [m], local: encoder, strategy: rules}]", "but no `rules`"),
    ("routes: [{models: [m], local: encoder, deadline_s: 0}]", "`routes[0].deadline_s`"),
    ("routes: [{models: [m], local: encoder, forward: [name]}]", "`routes[0].forward[0]`"),
    (
        UPSTREAMS + "routes: [{models: [m], upstreams: [far], rules: [{to: far}]}]",
        "add `strategy: rules`",
    ),
    (
        UPSTREAMS + RULES + "{to: fa}]}]",
        "`fa` is not an upstream of this route; did you mean `far`?",
    ),
    (
        UPSTREAMS + RULES + "{to: far, when: {pattern: '(?<=a)b'}}]}]",
        "is not RE2 syntax",
    ),
    (
        UPSTREAMS + RULES + "{to: far, when: {min_tokens: 9, max_tokens: 3}}]}]",
        "it never holds",
    ),
    (
        UPSTREAMS + RULES.replace("[far]", "[far, {name: far, model: x}]") + "{to: far}]}]",
        "its rules are ambiguous",
    ),
    ("tasks: {t: {threshold: 0.9}}", "`tasks.t.threshold` needs `unguaranteed: true`"),
    ("tasks: {t: {unguaranteed: true}}", "does nothing without `threshold`"),
    ("tasks: {t: {threshold: 0.9, unguaranteed: true, max_error: 0.02}}", "computes the threshold"),
    ("tasks: {t: {client_max_errors: [0.01]}}", "needs `max_error` beside it"),
    ("tasks: {t: {max_error: 0.02, client_max_errors: [0.05]}}", "looser than `max_error` 0.02"),
    (
        "tasks: {t: {max_error: 0.1, guarantee: {critical: [fraud]}, question: " + PREDICATE,
        "'fraud' in `tasks.t.guarantee.critical` is no option",
    ),
    ("tasks: {t: {threshold: 1.5, unguaranteed: true}}", "`tasks.t.threshold`"),
    ("tasks: {a/b: {}}", "`tasks.a/b`"),
    ("tasks: {t: {question: {instructions: x}}}", "`type` is missing; known are `choice`"),
    ("tasks: {t: {question: {type: chioce}}}", "did you mean `choice`?"),
    ("tasks: {t: {question: {type: predicate}}}", "`tasks.t.question.instructions` is missing"),
    (
        "tasks: {t: {question: {type: choice, instructions: x, choices: [{value: a}]}}}",
        "`tasks.t.question.choices`: expected a list of length >= 2",
    ),
    (
        CHOICE + "choices: [{value: a}, {value: a}]}}}",
        "'a' stands twice in `tasks.t.question.choices`",
    ),
    ("tasks: {t: {upstreams: [gone]}}", "there is no upstream `gone`"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(text: str, message: str) -> None:
    assert message in told(text)


def test_the_text_true_and_the_value_true_are_different_choices() -> None:
    choices = "choices: [{value: 'true'}, {value: true}]"
    configured(f"tasks: {{t: {{question: {{type: choice, instructions: x, {choices}}}}}}}")


def upstream(more: str) -> str:
    return (
        f"upstreams: [{{name: a, kind: openai, tier: pop, region: r, zone: z, {more}}}]\n"
        "routes: [{models: [m], upstreams: [a]}]"
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("base_url: 'https://x/v1', api_key: sk-1234", "a secret must not stand in the file"),
        ("base_url: 'https://x/v1', api_key: 'env:GONE'", "`GONE` is not set"),
        ("base_url: 'https://u:p@x/v1'", "`upstreams[0].base_url`"),
        ("base_url: 'ftp://x/v1'", "`upstreams[0].base_url`"),
        ("base_url: 'https://x/v1', proxy: 'http://u:p@h:1'", "holds credentials"),
        ("base_url: 'https://x/v1', ca_file: ca.pem", "no file `/nonexistent/ca.pem`"),
        ("base_url: 'https://x/v1', timeouts: {conect_s: 1}", "did you mean `connect_s`?"),
        (
            "base_url: 'https://x/v1', credentials: passthrough, api_key: 'env:KEY'",
            "never sent with `credentials: passthrough`",
        ),
    ],
)
def test_a_mistake_in_an_upstream_is_told_without_its_secrets(more: str, message: str) -> None:
    text = told(upstream(more), {"KEY": "sk-1"})
    assert message in text
    assert "sk-1" not in text
    assert "u:p" not in text


def test_two_upstreams_of_one_name_are_refused() -> None:
    assert "two upstreams called `far`" in told(UPSTREAMS.replace("name: edge", "name: far"))


def test_a_wrong_upstream_is_not_also_an_unknown_one() -> None:
    routes = "routes: [{models: [m], upstreams: [edge, far]}]"
    text = told(UPSTREAMS.replace("tier: pop, ", "") + routes)
    assert text == "x.yaml:3: `upstreams[0].tier` is missing"


def test_a_wrong_entry_does_not_shift_the_lines_of_those_behind_it() -> None:
    text = told(
        "routes:\n  - {models: 1}\n  - {models: [m], local: encoder, tasks: [t]}\n"
    ).splitlines()
    assert text[1] == "x.yaml:3: there is no task `t`; there is none"


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    lines = told("tenants: [{name: a}, {name: a}]\nlog: {format: xml}\ntask: {}\n").splitlines()
    assert [line.split(": ")[0] for line in lines] == ["x.yaml:1", "x.yaml:2", "x.yaml:3"]


def test_a_key_over_plain_http_is_a_warning_but_not_on_loopback() -> None:
    environment = {"KEY": "sk-1"}
    far = checked(upstream("base_url: 'http://10.0.0.1/v1', api_key: 'env:KEY'"), environment)
    near = checked(upstream("base_url: 'http://127.0.0.1/v1', api_key: 'env:KEY'"), environment)
    assert ["plain http" in problem.message for problem in far.warnings] == [True]
    assert near.warnings == ()


def test_an_upstream_that_nothing_leads_to_is_a_warning() -> None:
    result = checked(UPSTREAMS + "tasks: {t: {upstreams: [edge]}}")
    assert result.configuration is not None
    assert [problem.in_file("f") for problem in result.warnings] == [
        "f:4: warning: no route and no task leads to the upstream `far`"
    ]


def test_a_file_is_loaded_with_paths_beside_it(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text("{}")
    file = tmp_path / "tidegate.yaml"
    file.write_text("prices: prices.json\nlisteners: {admin: {unix: admin.sock}}\n")
    configuration = load(file, {})
    assert configuration.source == str(file)
    assert configuration.prices == tmp_path / "prices.json"
    assert configuration.admin == UnixAddress(tmp_path / "admin.sock")


def test_the_example_has_no_mistakes() -> None:
    example = Path(__file__).parents[3] / "examples" / "tidegate.yaml"
    assert check(example, {"OPENAI_API_KEY": "sk-1"}).problems == ()


def test_the_hash_tells_whether_the_text_changed(tmp_path: Path) -> None:
    file = tmp_path / "tidegate.yaml"
    file.write_text("{}")
    before = load(file, {})
    file.write_text("{} # more")
    assert before.content_hash != load(file, {}).content_hash


def test_load_raises_one_error_that_tells_everything(tmp_path: Path) -> None:
    file = tmp_path / "tidegate.yaml"
    file.write_text("a: 1\nb: 2\n")
    with pytest.raises(ConfigError, match=r"(?s)2 problems.*:1: `a`.*:2: `b`"):
        load(file, {})
    assert len(check(file, {}).problems) == 2


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "gone.yaml", {})
    with pytest.raises(ConfigError, match="it cannot be read"):
        load(tmp_path, {})


def test_the_state_directory_follows_the_xdg_rules() -> None:
    home = {"HOME": "/home/a"}
    assert default_state_directory({"XDG_STATE_HOME": "/s"}) == Path("/s/tidegate")
    assert default_state_directory(home) == Path("/home/a/.local/state/tidegate")
    relative = {**home, "XDG_STATE_HOME": "s"}
    assert default_state_directory(relative) == Path("/home/a/.local/state/tidegate")
    with pytest.raises(ConfigError, match="--state"):
        default_state_directory({})


def test_proxies_are_taken_from_the_environment_in_either_case() -> None:
    found = environment_proxies({"https_proxy": "http://p:1", "NO_PROXY": "a,b", "HTTP_PROXY": ""})
    assert found == EnvironmentProxies(https="http://p:1", http=None, exclusions="a,b")


def test_promise_of_a_task_lists_its_levels_strictest_first(tmp_path: Path) -> None:
    file = tmp_path / "tidegate.yaml"
    file.write_text(
        "tasks:\n"
        "  t:\n"
        "    max_error: 0.05\n"
        "    confidence: 0.9\n"
        "    client_max_errors: [0.02, 0.01, 0.05]\n"
        "    guarantee: {unit: distinct decision, levels_off: 1, expires_after_days: 2}\n"
    )
    promise = load(file, {}).tasks[0].promise
    assert promise is not None
    assert promise.alphas == (0.01, 0.02, 0.05)
    assert (promise.unit, promise.loss.levels_off) == ("distinct decision", 1)
    assert promise.delta == pytest.approx(0.1)
    assert promise.expires_after_s == 2 * 86_400


def together(own: str, others: str) -> str:
    """Three tasks, of which the first is promised together with others."""
    asked = "question: {type: predicate, instructions: x}"
    return (
        f"tasks:\n  a: {{{own}, guarantee: {{together: {others}}}, {asked}}}\n"
        f"  b: {{{asked}}}\n  p: {{max_error: 0.1, {asked}}}\n"
    )


def test_tasks_that_are_promised_together_have_one_promise() -> None:
    text = together("max_error: 0.1", "[b]")
    one, two, _ = (task.promise for task in configured(text).tasks)
    assert one is not None
    assert one == two
    assert (one.together, one.loss.kind) == (("a", "b"), "request")
    learns = "routes: [{models: [m], upstreams: [far], learn: true}]\n"
    assert "promises each question by itself" in told(UPSTREAMS + learns + text)


@pytest.mark.parametrize(
    ("own", "others", "why"),
    [
        ("max_error: 0.1", "[gone]", "is `gone`, which is no other task"),
        ("max_error: 0.1", "[a]", "is `a`, which is no other task"),
        ("max_error: 0.1", "[p]", "has a promise or a threshold of its own"),
        ("accept_names: []", "[b]", "`tasks.a.guarantee.together` needs `max_error` beside it"),
    ],
)
def test_what_cannot_be_promised_together_is_told(own: str, others: str, why: str) -> None:
    assert why in told(together(own, others))


def test_a_template_becomes_a_value_and_its_mistakes_are_told() -> None:
    route = "routes: [{models: [m], upstreams: [far], learn: true, template: %s}]"
    made = configured(UPSTREAMS + route % "{pattern: 'Sort: (.*)', labels: [a, b]}")
    assert made.routes[0].template == ChatTemplate("Sort: (.*)", ("a", "b"))

    for wrong, why in (
        ("{pattern: '('}", "is not RE2 syntax"),
        ("{pattern: 'none'}", "0 groups"),
        ("{pattern: '(a)(b)'}", "2 groups"),
        ("{pattern: '(.*)', labels: [a]}", "one label is no choice"),
        ("{pattern: '(.*)', labels: [a, a]}", "a label stands twice"),
        ("{pattern: '(.*)', labels: [a, 'b ']}", "begins or ends with a space"),
    ):
        assert why in told(UPSTREAMS + route % wrong)
    idle = "routes: [{models: [m], upstreams: [far], template: {pattern: '(.*)'}}]"
    assert "add `learn: true`" in told(UPSTREAMS + idle)


def test_nothing_is_learned_from_an_upstream_that_could_not_be_audited() -> None:
    own = UPSTREAMS.replace("tier: central", "tier: central, credentials: passthrough")
    route = "routes:\n  - models: [m]\n    upstreams: [edge, far]\n    learn: %s\n"
    said = told(own + route % "true")
    # File and line of the entry, what is wrong, and what to do.
    assert said.startswith("x.yaml:7: `far` is asked with the client's own credential")
    assert "`credentials: operator`" in said
    configured(own + route % "false")
    configured(UPSTREAMS + route % "true")


def test_a_form_is_told_in_words_and_what_stands_there_is_not() -> None:
    here = told(
        "node: {tier: pop, region: r, zone: z}\n"
        "upstreams:\n"
        '  - {name: "a b", kind: openai, base_url: "https://me:secret@far/v1", proxy: socks,\n'
        "     tier: pop, region: r, zone: z}\n"
        "tenants: [{name: -x}]\n"
    )
    assert "`upstreams[0].name`: give letters, digits" in here
    assert "`upstreams[0].base_url`: give an address such as https://" in here
    assert "`upstreams[0].proxy`: give `environment`, `none` or an address" in here
    assert "`tenants[0].name`: give letters, digits" in here
    assert "regex" not in here
    assert "secret" not in here
