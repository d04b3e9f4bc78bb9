"""Blocking work beside an event loop, in a thread of its own that nobody joins: what hangs keeps
neither the loop nor the end of the process, as a thread of a pool would."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from django.db import close_old_connections

T = TypeVar("T")


def beside(work: Callable[[], T]) -> "asyncio.Future[T]":
    """What ``work`` answers or raises. Whoever is cancelled while they wait leaves it to itself."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    threading.Thread(target=fill, args=(future, work), daemon=True).start()
    return asyncio.wrap_future(future)


def fill(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001  it is raised where it is awaited
        future.set_exception(error)
    else:
        future.set_result(answer)


def in_database(work: Callable[[], T]) -> T:
    """In such a thread: its connection goes back to the pool."""
    try:
        return work()
    finally:
        close_old_connections()
