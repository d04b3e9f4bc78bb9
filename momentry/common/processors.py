"""What a process asks of Linux's scheduler so that the gateway waits for nobody (sched(7),
docs/decisions/040). None of it takes rights; where the system knows nothing of it, nothing happens.
"""

import ctypes
import os
import platform
import struct
from typing import Final

SET_ATTRIBUTES: Final = {"x86_64": 314, "aarch64": 274}  # sched_setattr(2), which Python has not
ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")  # the first version of struct sched_attr
SLICE_NANOSECONDS: Final = 100_000  # the least; what is usual is milliseconds


def take_short_slices() -> bool:
    """This thread runs less at a time than others and so, when it wakes, before them (Linux 6.12).
    False where that is unknown, and for a thread that somebody gave another policy."""
    call = SET_ATTRIBUTES.get(platform.machine())
    if platform.system() != "Linux" or call is None:
        return False
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = ATTRIBUTES.pack(ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, SLICE_NANOSECONDS, 0, 0)
    return bool(ctypes.CDLL(None).syscall(call, 0, wanted, 0) == 0)


def leave_one_processor() -> None:
    """Of several that this thread, and those it starts later, may use, the first is left to others.
    For a process of which one thread runs at a time anyway."""
    if not hasattr(os, "sched_getaffinity"):
        return
    mine = os.sched_getaffinity(0)
    if len(mine) > 1:
        os.sched_setaffinity(0, mine - {min(mine)})
