"""Tells an application who the client is, by `forwarded.py`, where it would see a proxy."""

from tidegate.api.arrival import REGION_KEY, Receive, Scope, Send
from tidegate.api.forwarded import Forwarding
from tidegate.api.listener import App


class ForwardedApp:
    """Replaces the `client` and the `scheme` of each request by what trusted proxies say."""

    def __init__(self, app: App, forwarding: Forwarding) -> None:
        """Wrap only where a proxy is trusted: without one an application needs no wrapping."""
        self._app = app
        self._forwarding = forwarding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        address, _ = scope.get("client") or (None, 0)
        scope[REGION_KEY] = self._forwarding.region(address, scope["headers"])
        client = self._forwarding.client(address, scope["scheme"], scope["headers"])
        scope["scheme"] = client.scheme
        if client.address != address:
            # The port belongs to the connection of the proxy.
            scope["client"] = (client.address, 0)
        await self._app(scope, receive, send)
