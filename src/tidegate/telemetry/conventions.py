"""Names of the OpenTelemetry semantic conventions for generative AI, and how they read elsewhere.

This table is the only place that spells them. It follows the last version that was published with a
number. The registry has moved to a repository of its own since, where metrics and some attributes
are being renamed and nothing has been released yet; a later version changes this file alone.
"""

from dataclasses import dataclass
from typing import Literal

from tidegate.domain.passed import RecordedSurface
from tidegate.domain.request import Dialect

VERSION = "1.41.0"
SCHEMA_URL = f"https://opentelemetry.io/schemas/{VERSION}"

OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105
# The name of an attribute, not a secret.
ERROR_TYPE = "error.type"
HTTP_STATUS = "http.response.status_code"

NODE_PROVIDER = "tidegate"
"""This node as a provider: the conventions allow a name of one's own where none of theirs fits."""

Unit = Literal["s", "{token}"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A histogram of the conventions with the bucket bounds that they recommend."""

    name: str
    unit: Unit
    text: str
    bounds: tuple[float, ...]


_DURATIONS = tuple(0.01 * 2**power for power in range(14))
_TOKENS = tuple(float(4**power) for power in range(14))

CLIENT_DURATION = Instrument(
    "gen_ai.client.operation.duration",
    "s",
    "Calls of upstreams, from the call to the last byte of the answer.",
    _DURATIONS,
)
CLIENT_FIRST_CHUNK = Instrument(
    "gen_ai.client.operation.time_to_first_chunk",
    "s",
    "Streamed calls of upstreams, from the call to the first token.",
    _DURATIONS,
)
CLIENT_TOKENS = Instrument(
    "gen_ai.client.token.usage",
    "{token}",
    "Tokens of calls of upstreams, where the upstream counted them.",
    _TOKENS,
)
SERVER_DURATION = Instrument(
    "gen_ai.server.request.duration",
    "s",
    "Requests to this node, from the first byte of the request to the last of the answer.",
    _DURATIONS,
)
SERVER_FIRST_TOKEN = Instrument(
    "gen_ai.server.time_to_first_token",
    "s",
    "Streamed answers, from the first byte of the request to the first token.",
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
SERVER_PER_TOKEN = Instrument(
    "gen_ai.server.time_per_output_token",
    "s",
    "Streamed answers, time for each token after the first.",
    (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)


def operation(surface: RecordedSurface, dialect: Dialect) -> str:
    """Name what was asked for; `decisions` has no name in the conventions and keeps its own."""
    if surface == "chat" and dialect == "completions":
        return "text_completion"
    return surface


def prometheus_name(instrument: Instrument) -> str:
    """Spell a metric as the OpenTelemetry compatibility specification derives it for Prometheus.

    Dots become underscores, the unit becomes a suffix, a unit in braces falls away.
    """
    name = prometheus_label(instrument.name)
    return f"{name}_seconds" if instrument.unit == "s" else name


def prometheus_label(attribute: str) -> str:
    """Spell an attribute as a label."""
    return attribute.replace(".", "_")
