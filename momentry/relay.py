"""The relay's loop: each second it sends what is due in the outboxes; several may run at once.
Other systems are told of members by threads of their own: one that hangs holds up no letter.

Before that it imports the upstreams of the environment, if `prepare` did not: it ran without them.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from django.db import Error, close_old_connections
from django.utils import timezone

from events.mail import send_due
from momentry.common.env import Environment
from provisioning.services.wakeups import look_at_due
from provisioning.services.worker import make_worker
from proxy.services.environment import import_environment
from proxy.services.outages import tell_outages

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0


async def run() -> None:
    """Until SIGTERM or SIGINT; the letter in hand is finished first, tasks if they are quick."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    logger.info("relay started")
    worker = make_worker()
    if worker is not None:
        worker.start()
    is_imported = False
    beside = asyncio.create_task(keep_looking_at_wordpress(stop))
    while not stop.is_set():
        is_imported = is_imported or await asyncio.to_thread(import_upstreams)
        await asyncio.to_thread(send_mail)
        await asyncio.to_thread(look_at_targets)
        try:
            await asyncio.wait_for(stop.wait(), POLL_SECONDS)
        except TimeoutError:
            continue
    if worker is not None:
        await asyncio.to_thread(worker.stop)
    await beside
    logger.info("relay stopped")


async def keep_looking_at_wordpress(stop: asyncio.Event) -> None:
    """Beside the letters: a WordPress that answers slowly holds up none of them."""
    while not stop.is_set():
        await asyncio.to_thread(look_at_wordpress, stop.is_set)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_SECONDS)


def look_at_wordpress(is_over: Callable[[], bool]) -> None:
    """One round over the users who are said to have changed."""
    try:
        look_at_due(timezone.now(), is_over)
    except Error as error:
        logger.warning("wake-ups not read", extra={"error": type(error).__name__})
    finally:
        close_old_connections()


def import_upstreams() -> bool:
    """Is there no more to do? A database that is away, or not migrated, is waited for."""
    try:
        import_environment(Environment())
    except Error:
        return False
    finally:
        close_old_connections()
    return True


def send_mail() -> None:
    """One round. A database that is away is waited for, round by round."""
    try:
        send_due(timezone.now())
    except Error as error:
        logger.warning("outbox not read", extra={"error": type(error).__name__})
    finally:
        close_old_connections()


def look_at_targets() -> None:
    """What gateways say of upstreams becomes events."""
    try:
        tell_outages()
    except Error as error:
        logger.warning("outages not read", extra={"error": type(error).__name__})
    finally:
        close_old_connections()
