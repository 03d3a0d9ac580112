"""`openapi.json` and the applications know the same paths."""

import json
from typing import Any

from tidegate.api import admin, app
from tidegate.api.openapi import document

PATHS: dict[str, Any] = json.loads(document("0"))["paths"]
EXAMPLES = {
    "{model}": "assistant",
    "{id}": "1",
    "{name}": "intent.acme",
    "{version}": "1-0a1b2c3d4e5f",
}


def described(*, is_admin: bool) -> dict[str, set[str]]:
    """Give the methods of each path of one listener, with examples in place of parameters."""
    found: dict[str, set[str]] = {}
    for path, item in PATHS.items():
        if ("servers" in item) is is_admin:
            target = path
            for parameter, example in EXAMPLES.items():
                target = target.replace(parameter, example)
            found[target] = {method.upper() for method in item if method != "servers"}
    return found


def test_every_surface_is_described() -> None:
    assert set(app._SURFACES) <= set(described(is_admin=False))


def test_what_is_described_is_served_with_just_these_methods() -> None:
    for path, methods in described(is_admin=False).items():
        # HEAD needs no description of its own where GET has one.
        assert set(app._allowed(path)) - {"HEAD"} == methods, path
    for path, methods in described(is_admin=True).items():
        assert set(admin._allowed(path)) == methods, path


def test_no_path_of_one_listener_is_on_the_other() -> None:
    for path in described(is_admin=True):
        assert app._allowed(path) == ()
    for path in described(is_admin=False):
        assert admin._allowed(path) == ()
