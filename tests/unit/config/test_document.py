"""YAML as it is read here: version 1.2's scalars, lines kept, bombs refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.document import MAX_BYTES, Value, read


def messages(text: bytes) -> list[str]:
    return [f"{problem.line}: {problem.message}" for problem in read(text).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("2026-11-22", "2026-11-22"),
        ("'true'", "true"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ('"a\\nb"', "a\nb"),
        ("[1, [2]]", [1, [2]]),
        ("{b: {c: d}}", {"b": {"c": "d"}}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Value) -> None:
    document = read(f"a: {text}\n".encode())
    assert document.value == {"a": value}
    assert document.problems == []


def test_json_is_read_as_well() -> None:
    assert read(b'{"a": [true, null, 1.0, "x"]}').value == {"a": [True, None, 1.0, "x"]}


def test_each_part_knows_its_line() -> None:
    document = read(b"# top\na:\n  - b: 1\n    c: 2\n  - d\n")
    assert document.line(("a", 0, "c")) == 4
    assert document.line(("a", 1)) == 5
    assert document.line(("a", 0, "missing", "deeper")) == 3
    assert document.line(("nowhere",)) == 2


def test_a_byte_order_mark_is_harmless() -> None:
    assert read(b"\xef\xbb\xbfa: 1").value == {"a": 1}


def test_aliases_are_followed() -> None:
    assert read(b"a: &x {b: 1}\nc: *x\n").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_key_that_stands_twice_names_both_lines() -> None:
    assert messages(b"a:\n  b: 1\n  c: 2\n  b: 3\n") == ["4: `a.b` stands twice, first on line 2"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "None: the file is empty"),
        (b"# nothing\n", "None: the file is empty"),
        (b"a: 1\nb: \xff\n", "2: this line is not UTF-8"),
        (b"a: 1\nb: \x00\n", "2: a character that YAML does not allow"),
        (b"a:\n\t- b\n", "2: a tab"),
        (b"a: [1,\n", "2: "),
        (b"a: 1\n--- \nb: 2\n", "2: "),
        (b"a: *gone\n", "1: found undefined alias 'gone'"),
        (b"a: !!python/object:os.system x\n", "1: the tag `tag:yaml.org,2002:python/object"),
        (b"a: !env HOME\n", "1: the tag `!env` is not supported"),
        (b"a:\n  b: !!python/object:os.system {}\n", "2: the tag `tag:yaml.org,2002:python/object"),
        (b"a: !secret [x]\n", "1: the tag `!secret` is not supported"),
        (b"? [1]\n: 2\n", "1: a key must be a text"),
        (b"a: .inf\n", "1: `a` is .inf; give a finite number"),
        (b"a: .nan\n", "1: `a` is .nan"),
        (b"a: -.INF\n", "1: `a` is -.INF"),
        (b"a: 1e999\n", "1: `a` is 1e999"),
        (b"a: " + b"9" * 5_000, "1: `a` has more than 20 digits"),
        (b"[" * 40_000, "None: nested deeper"),
        (b"a: &x [*x]\n", "1: nested deeper"),
        (b"a: " + b"[" * 40 + b"]" * 40, "1: nested deeper"),
        (b"#" * (MAX_BYTES + 1), "None: the file is larger than"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: bytes, told: str) -> None:
    assert messages(text)[0].startswith(told)


def test_aliases_of_aliases_do_not_blow_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert messages("\n".join(lines).encode()) == [
        "1: more than 50000 values once aliases are followed"
    ]


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8")))
def test_no_bytes_make_it_raise(content: bytes) -> None:
    read(content)
