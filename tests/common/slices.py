"""The slices that a thread gets, as Linux tells them (sched_getattr(2)); SHORT: of who asked."""

import ctypes
import os
import platform

from momentry.common.processors import ATTRIBUTES

SHORT = 100_000 if tuple(map(int, platform.release().split(".")[:2])) >= (6, 12) else 0
GET_ATTRIBUTES = {"x86_64": 315, "aarch64": 275}


def slice_of(thread: int) -> int:
    """In nanoseconds; 0 where the kernel does not tell."""
    found = ctypes.create_string_buffer(ATTRIBUTES.size)
    call = GET_ATTRIBUTES[platform.machine()]
    if ctypes.CDLL(None, use_errno=True).syscall(call, thread, found, ATTRIBUTES.size, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(ATTRIBUTES.unpack(found.raw)[5])
