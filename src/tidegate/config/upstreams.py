"""Settings of upstreams to what they are built from: adapter chosen, secret resolved."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tidegate.adapters.catalog import UPSTREAMS, load
from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.config.addresses import is_loopback
from tidegate.config.configuration import ConfiguredUpstream
from tidegate.config.document import Document, Value
from tidegate.config.problem import Path as Setting
from tidegate.config.problem import spell, suggest
from tidegate.config.references import resolve
from tidegate.config.schema import BatchSettings
from tidegate.domain.passed import Batches

_PREFIX = "upstreams."
_PASSES_ON = "openai"
_SPEAKS_OPENAI = {
    "ollama": "http://HOST:11434/v1",
    "vllm": "http://HOST:8000/v1",
    "llamacpp": "http://HOST:8080/v1",
    "llama.cpp": "http://HOST:8080/v1",
}
"""Servers that people look for by name, and where they listen."""
KINDS = tuple(name.removeprefix(_PREFIX) for name in UPSTREAMS)


def choose_upstream(
    document: Document, path: Setting, value: Mapping[str, Value]
) -> type[msgspec.Struct] | None:
    """Give the settings class of an upstream's `kind`."""
    kind = value.get("kind")
    if kind is None:
        document.report(path, f"`{spell(path)}.kind` is missing{suggest('', KINDS)}")
        return None
    if kind not in KINDS:
        speaks = _SPEAKS_OPENAI.get(str(kind))
        hint = suggest(str(kind), KINDS)
        if speaks is not None:
            hint = f"; it speaks the OpenAI dialect: `kind: openai`, `base_url: {speaks}`"
        message = f"`{spell(path)}.kind` is {kind!r}{hint}"
        document.report((*path, "kind"), message)
        return None
    return load(f"{_PREFIX}{kind}").Settings


def configure_upstreams(
    upstreams: Sequence[UpstreamSettings],
    document: Document,
    environment: Mapping[str, str],
    folder: Path,
) -> tuple[ConfiguredUpstream, ...]:
    """Resolve keys and check each upstream; what is wrong is reported to `document`."""
    configured: list[ConfiguredUpstream] = []
    for path, settings in document.entries(("upstreams",), upstreams):
        if any(settings.name == known.settings.name for known in configured):
            document.report(path, f"there are two upstreams called `{settings.name}`")
        configured.append(_configure(settings, document, path, environment, folder))
    return tuple(configured)


def upstream_names(document: Document) -> frozenset[str]:
    """Give all names under `upstreams`, also of entries that are otherwise wrong."""
    value = document.value
    entries = value.get("upstreams") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        return frozenset()
    return frozenset(str(entry.get("name")) for entry in entries if isinstance(entry, dict))


def configure_batches(
    settings: BatchSettings | None, upstreams: Sequence[UpstreamSettings], document: Document
) -> Batches | None:
    """Check where files and batches are to lie; what is wrong is reported to `document`."""
    if settings is None:
        return None
    here = ("batches", "upstream")
    found = {one.name: one.__struct_config__.tag for one in upstreams}
    if settings.upstream not in upstream_names(document):
        hint = suggest(settings.upstream, found)
        document.report(here, f"there is no upstream `{settings.upstream}`{hint}")
    elif found.get(settings.upstream, _PASSES_ON) != _PASSES_ON:
        document.report(
            here, f"`{settings.upstream}` is not of kind `{_PASSES_ON}`, which alone takes batches"
        )
    return Batches(settings.upstream, settings.deadline_s)


def warn_of_unused(
    upstreams: Sequence[UpstreamSettings], used: Collection[str], document: Document
) -> None:
    """Warn of upstreams that no route and no task leads to."""
    for path, settings in document.entries(("upstreams",), upstreams):
        if settings.name not in used:
            document.warn(path, f"no route and no task leads to the upstream `{settings.name}`")


def _configure(
    settings: UpstreamSettings,
    document: Document,
    path: Setting,
    environment: Mapping[str, str],
    folder: Path,
) -> ConfiguredUpstream:
    if "@" in settings.proxy:
        document.report(
            (*path, "proxy"),
            f"`{spell((*path, 'proxy'))}` holds credentials, which must not stand in the file; put"
            " the proxy into the variable HTTPS_PROXY and write `environment`",
        )
    if settings.ca_file is not None:
        ca_file = folder / Path(settings.ca_file).expanduser()
        if not ca_file.is_file():
            document.report((*path, "ca_file"), f"there is no file `{ca_file}`")
        settings = msgspec.structs.replace(settings, ca_file=str(ca_file))
    adapter = f"{_PREFIX}{settings.__struct_config__.tag}"
    if settings.api_key is None:
        return ConfiguredUpstream(adapter, settings)
    _check_use_of_key(settings, document, path)
    here = (*path, "api_key")
    resolved = resolve(settings.api_key, environment, folder)
    if resolved.problem is not None:
        document.report(here, f"`{spell(here)}`: {resolved.problem}")
    if resolved.warning is not None:
        document.warn(here, f"`{spell(here)}`: {resolved.warning}")
    return ConfiguredUpstream(adapter, settings, resolved.secret)


def _check_use_of_key(settings: UpstreamSettings, document: Document, path: Setting) -> None:
    if settings.credentials == "passthrough":
        here = (*path, "api_key")
        document.report(
            here,
            f"`{spell(here)}` is never sent with `credentials: passthrough`; remove one of them",
        )
    url = urlsplit(settings.base_url)
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        document.warn(
            (*path, "base_url"),
            f"`{settings.name}` sends its key over plain http, readable on the way; use https",
        )
