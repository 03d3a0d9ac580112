"""What clients reach: the application of the data listener, and its start."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.stores.memory_cache import MemoryCache
from tidegate.api.anthropic import Messages
from tidegate.api.app import DataApp
from tidegate.api.exchange import ExchangePaths
from tidegate.api.failures import status_of
from tidegate.api.feedback import FeedbackIntake
from tidegate.api.health import Health
from tidegate.api.intake import Intake
from tidegate.api.listener import Listener
from tidegate.api.openai import Surfaces
from tidegate.api.passthrough import PassedPaths
from tidegate.config.configuration import Configuration
from tidegate.domain.record import Record
from tidegate.errors import TidegateError
from tidegate.gateway.count import TokenCounts
from tidegate.gateway.dispatch import Dispatch
from tidegate.gateway.execute import Executor
from tidegate.gateway.feedback import FeedbackDesk
from tidegate.gateway.passthrough import PassOn
from tidegate.gateway.pipeline import Gateway
from tidegate.gateway.record import Observer, Recorder
from tidegate.gateway.repeat import Repeats
from tidegate.gateway.stream import Tools
from tidegate.node.front import in_front
from tidegate.node.guarding import data_guard
from tidegate.node.learner_side import learner_desk
from tidegate.node.node import Node
from tidegate.node.published import publish, publish_encoder, publish_loop_lag
from tidegate.node.sinks import publish_sinks
from tidegate.ports.log import Log

GRACE_S = 15
"""Requests under way get this long to end when the node stops."""


async def start_data(
    stack: AsyncExitStack, node: Node, configuration: Configuration, sock: socket.socket
) -> Listener:
    """Serve clients on a socket until the stack unwinds; returns when requests are accepted."""
    tls = node.parts.tls
    listener = Listener(
        in_front(_data_app(node, configuration), configuration.client_side),
        sock,
        head_s=configuration.limits.head_s,
        grace_s=GRACE_S,
        guard=data_guard(configuration.limits, node.parts.metrics, node.parts.log),
        tls=None if tls is None else tls.context,
    )
    node.listeners.append(listener)
    lag = publish_loop_lag(node.parts.metrics)
    lag.start(asyncio.get_running_loop())
    stack.callback(lag.stop)
    await listener.start()
    stack.push_async_callback(listener.stop)
    node.port = sock.getsockname()[1]
    return listener


def _data_app(node: Node, configuration: Configuration) -> DataApp:
    parts = node.parts
    ids = SystemIds()
    cache = MemoryCache(configuration.limits.cache_bytes)
    observers: tuple[Observer, ...] = (
        _AccessLog(parts.log),
        parts.metrics,
        parts.traces,
        *parts.sinks,
    )
    tools = Tools(
        parts.clock,
        Recorder(parts.clock, parts.journal, observers),
        Repeats(parts.clock, cache),
        parts.learning.collector,
    )
    dispatch = Dispatch(parts.clock)
    executor = Executor(parts.clock, dispatch)
    gateway = Gateway(tools, node.generations, executor, status_of)
    publish(node.parts.metrics, node.built.configuration, node.generations, parts.journal, cache)
    publish_encoder(parts.metrics, parts.encoder)
    publish_sinks(parts.metrics, parts.sinks)

    def refused(error: TidegateError, request_id: str) -> None:
        status = status_of(error)
        parts.metrics.refused(status)
        parts.log.event(
            "request.refused", request_id=request_id, status=status, error=type(error).__name__
        )

    intake = Intake(node.entrance, parts.clock, node.limits, refused)
    surfaces = Surfaces(intake, gateway, node.generations)
    messages = Messages(intake, gateway, TokenCounts(parts.clock, node.generations, dispatch))
    passed = PassedPaths(
        intake,
        PassOn(parts.clock, node.generations, tools.recorder, parts.bindings, status_of),
    )
    desk = FeedbackDesk(parts.clock, node.generations, parts.learning.keeper)
    feedback = FeedbackIntake(intake, desk)
    exchange = ExchangePaths(intake, learner_desk(node))
    health = Health(node.readiness)
    return DataApp(surfaces, messages, passed, feedback, exchange, health, ids, parts.log)


@dataclass(frozen=True, slots=True)
class _AccessLog:
    """Writes the access line of each finished request."""

    log: Log

    def observe(self, record: Record) -> None:
        self.log.access(record)
