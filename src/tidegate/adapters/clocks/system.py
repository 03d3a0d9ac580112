"""The machine's clocks and its random source."""

import os
import random
import time


class SystemClock:
    """Implements `ports.Clock`."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class SystemIds:
    """Implements `ports.Ids`."""

    def __init__(self) -> None:
        # Draws decide about sampling, not about secrets; ids take bytes from the system.
        self._random = random.SystemRandom()

    def request_id(self) -> str:
        """Make 32 hexadecimal digits: milliseconds since the epoch, then 80 random bits."""
        return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"

    def draw(self) -> float:
        """Draw uniformly from [0, 1)."""
        return self._random.random()
