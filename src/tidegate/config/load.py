"""From a file's name to a `Configuration`; the only reader of the environment.

Everything that is wrong is collected and told at once, each with its line and the remedy.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from tidegate.adapters.upstream_settings import EnvironmentProxies, UpstreamSettings
from tidegate.config.addresses import is_loopback
from tidegate.config.configuration import Configuration, TcpAddress, UnixAddress
from tidegate.config.data_listener import configure_client_side
from tidegate.config.decode import Decoder
from tidegate.config.document import MAX_BYTES, Document, read
from tidegate.config.encoder import configure_encoder
from tidegate.config.learner import configure_learner, learn_roles
from tidegate.config.problem import Problem, to_error
from tidegate.config.routes import (
    ENCODER_MODEL,
    OTHER_ENCODER_MODEL,
    Known,
    configure_routes,
    implicit_routes,
    targets,
)
from tidegate.config.schema import AdminListenerSettings, Settings
from tidegate.config.sinks import Surroundings, configure_sinks
from tidegate.config.tasks import configure_tasks, refuse_together
from tidegate.config.telemetry import configure_tracing
from tidegate.config.upstreams import (
    choose_upstream,
    configure_batches,
    configure_upstreams,
    upstream_names,
    warn_of_unused,
)
from tidegate.domain.zone import Place
from tidegate.errors import ConfigError

# The ban of `os.environ` is there so that this file stays its only reader.
ENVIRONMENT: Mapping[str, str] = os.environ  # noqa: TID251
DEFAULT_FILE = "tidegate.yaml"

_MAX_SOCKET_BYTES = 107


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file says; `configuration` is None exactly when a problem is an error."""

    configuration: Configuration | None
    problems: tuple[Problem, ...]

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is legal and probably not meant."""
        return tuple(problem for problem in self.problems if problem.level == "warning")


def load(file: str | Path, environment: Mapping[str, str] = ENVIRONMENT) -> Configuration:
    """Read a configuration file; raises one ConfigError that tells all that is wrong."""
    content = _read(Path(file))
    return load_content(content, str(file), Path(file).parent, environment)


def load_content(
    content: bytes,
    source: str | None,
    folder: Path,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Configuration:
    """Read a configuration that another process has read from its file; raises as `load` does."""
    checked = check_text(content, source, environment, folder=folder)
    if checked.configuration is None:
        errors = [problem for problem in checked.problems if problem.level == "error"]
        raise to_error(errors, source or "the embedded default")
    return checked.configuration


def check(file: str | Path, environment: Mapping[str, str] = ENVIRONMENT) -> Checked:
    """Read a configuration file and tell all that is wrong; raises when it cannot be read."""
    return check_text(_read(Path(file)), str(file), environment, folder=Path(file).parent)


def check_text(
    content: bytes, source: str | None, environment: Mapping[str, str], *, folder: Path
) -> Checked:
    """Check the bytes of a configuration; relative paths in it count from `folder`."""
    document = read(content)
    if document.value is None and document.problems:
        return Checked(None, tuple(document.problems))
    settings = Decoder(document, {UpstreamSettings: choose_upstream}).decode(Settings)
    if settings is None:
        return Checked(None, tuple(document.problems))
    configuration = _configure(settings, document, environment, folder)
    problems = tuple(sorted(document.problems, key=lambda problem: problem.line or 0))
    if any(problem.level == "error" for problem in problems):
        return Checked(None, problems)
    digest = sha256(content).hexdigest()
    known = replace(
        configuration, source=source, content_hash=digest, content=content, folder=folder
    )
    return Checked(known, problems)


def default_configuration(environment: Mapping[str, str] = ENVIRONMENT) -> Configuration:
    """Give what a node runs on without a file: one tenant `default`, the encoder, no upstream."""
    configuration = check_text(b"{}", None, environment, folder=Path()).configuration
    assert configuration is not None
    return configuration


def default_state_directory(environment: Mapping[str, str] = ENVIRONMENT) -> Path:
    """Give the folder for state when none is named: that of the XDG base directories."""
    base = environment.get("XDG_STATE_HOME", "")
    # The specification says that a relative path is to be ignored.
    if base.startswith("/"):
        return Path(base) / "tidegate"
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        raise ConfigError("neither XDG_STATE_HOME nor HOME is set; name the folder with --state")
    return Path(home) / ".local" / "state" / "tidegate"


def notify_socket(environment: Mapping[str, str] = ENVIRONMENT) -> str | None:
    """Give the address at which a service manager wants to hear how the node stands."""
    return environment.get("NOTIFY_SOCKET") or None


def environment_proxies(environment: Mapping[str, str] = ENVIRONMENT) -> EnvironmentProxies:
    """Give the proxies that the environment names, in capitals or not, as other programs do."""

    def named(name: str) -> str | None:
        return environment.get(name) or environment.get(name.lower()) or None

    return EnvironmentProxies(
        https=named("HTTPS_PROXY"), http=named("HTTP_PROXY"), exclusions=named("NO_PROXY")
    )


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such file; name one with --config, or start from `examples/tidegate.yaml`",
            file=str(file),
        ) from error
    except OSError as error:
        raise ConfigError(f"it cannot be read: {error.strerror}", file=str(file)) from error


def _configure(
    settings: Settings, document: Document, environment: Mapping[str, str], folder: Path
) -> Configuration:
    known = upstream_names(document)
    tasks = configure_tasks(settings.tasks, document)
    clients_own = [one.name for one in settings.upstreams if one.credentials == "passthrough"]
    routes = configure_routes(settings.routes, document, Known(known, settings.tasks, clients_own))
    if any(route.learns for route in routes):
        refuse_together(settings.tasks, document)
    task_targets = {
        name: targets(task.upstreams, document, ("tasks", name, "upstreams"), known)
        for name, task in settings.tasks.items()
    }
    encoder_source = configure_encoder(settings.encoder, document, environment, folder)
    encoder = ENCODER_MODEL if encoder_source.is_shipped else OTHER_ENCODER_MODEL
    routes += implicit_routes(task_targets, routes, encoder=encoder)
    used = {target.upstream for route in routes for target in route.targets}
    batches = configure_batches(settings.batches, settings.upstreams, document)
    if batches is not None:
        used.add(batches.upstream)
    upstreams = configure_upstreams(settings.upstreams, document, environment, folder)
    learner = configure_learner(settings, upstreams, document)
    if learner is not None:
        used.add(learner.settings.name)
    warn_of_unused(settings.upstreams, used, document)
    listeners = settings.listeners
    place = Place(settings.node.tier, settings.node.region, settings.node.zone)
    return Configuration(
        source=None,
        content_hash="",
        name=settings.node.name,
        place=place,
        data=TcpAddress(listeners.data.host, listeners.data.port),
        admin=_admin(listeners.admin, document, folder),
        limits=settings.limits,
        tenants=_tenants(settings, document),
        encoder=settings.encoder,
        ledger=settings.ledger,
        learning=settings.learning,
        learner=learner,
        learn_roles=learn_roles(settings),
        keep_text=frozenset(tenant.name for tenant in settings.tenants if tenant.keep_text),
        log_format=settings.log.format,
        workers=None if settings.workers == "auto" else settings.workers,
        upstreams=upstreams,
        routes=routes,
        tasks=tasks,
        batches=batches,
        sinks=configure_sinks(
            settings.ledger.sinks,
            document,
            Surroundings(settings.node.zone, environment, folder),
        ),
        prices=_prices(settings.prices, document, folder),
        encoder_source=encoder_source,
        client_side=configure_client_side(listeners.data, document, folder),
        proxies=environment_proxies(environment),
        tracing=configure_tracing(settings.telemetry.traces, place, document, environment, folder),
    )


def _tenants(settings: Settings, document: Document) -> tuple[str, ...]:
    names: list[str] = []
    for path, tenant in document.entries(("tenants",), settings.tenants):
        if tenant.name in names:
            document.report(path, f"there are two tenants called `{tenant.name}`")
        names.append(tenant.name)
    return tuple(names)


def _admin(
    settings: AdminListenerSettings, document: Document, folder: Path
) -> TcpAddress | UnixAddress:
    if settings.unix is not None:
        path = (folder / Path(settings.unix).expanduser()).absolute()
        if len(os.fsencode(path)) > _MAX_SOCKET_BYTES:
            document.report(
                ("listeners", "admin", "unix"),
                f"`listeners.admin.unix`: `{path}` is longer than {_MAX_SOCKET_BYTES} bytes, the"
                " system's limit for a socket",
            )
        return UnixAddress(path)
    if not is_loopback(settings.host):
        document.report(
            ("listeners", "admin", "host"),
            f"`listeners.admin.host` is {settings.host!r}, which others can reach; the admin"
            " listener takes loopback only, such as 127.0.0.1, or `unix: PATH`",
        )
    return TcpAddress(settings.host, settings.port)


def _prices(name: str | None, document: Document, folder: Path) -> Path | None:
    if name is None:
        return None
    path = folder / Path(name).expanduser()
    if not path.is_file():
        document.report(("prices",), f"`prices`: there is no file `{path}`")
    return path
