"""The clock of the machine's whole running time: it goes on in sleep, and nobody can set it."""

import time


def clock() -> float:
    """Seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
