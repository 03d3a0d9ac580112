"""Tells the service manager how the node stands: the protocol of `sd_notify(3)`.

Without an address (no `NOTIFY_SOCKET`) nothing is sent. What cannot be sent is logged and never
stops a node.
"""

import socket

from tidegate.ports.log import Log


class Notifier:
    """Speaks to the service manager that started the process, if there is one."""

    def __init__(self, address: str | None, log: Log) -> None:
        """`address` is the value of `NOTIFY_SOCKET`: a path, or `@name` for an abstract socket."""
        self._address = address
        self._log = log

    def ready(self, status: str) -> None:
        """Say that the node serves, at start and after each reload; `status` is for people."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def reloading(self, monotonic_s: float) -> None:
        """Say that a reload begins; `ready` must follow, whether or not it succeeds."""
        # systemd wants the time in the same message, to tell this reload from an earlier one.
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic_s * 1e6)}")

    def stopping(self) -> None:
        """Say that the node accepts no more and lets requests under way end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                # The event loop must not wait for a manager whose queue is full.
                sender.setblocking(False)
                sender.sendto(message.encode(), address)
        except OSError as error:
            self._log.event("notify.failed", address=self._address, error=error.strerror)


def _line(status: str) -> str:
    """Keep a status on its line: the next one would be another assignment."""
    return " ".join(status.split())
