"""The relay: what is due in the outboxes is sent, and what others say is looked at, each by a round
of its own; several relays may run at once. Other systems are told of members by threads beside.
"""

import asyncio
import logging
import signal
from functools import partial
from typing import Final

from django.conf import settings
from django.utils import timezone

from events import refusals
from events.chain.head import tell_head
from events.chain.sealer import Sealer
from events.mail import send_due
from events.webhooks.environment import follow_environment
from events.webhooks.sending import Deliverer
from momentry.common.env import Environment
from momentry.listening import listen
from momentry.rounds import Round, Then, go_round, is_over
from provisioning.services.wakeups import look_at_due
from provisioning.services.worker import Worker, make_worker
from proxy.gateway.settings import read_direct_url
from proxy.services.environment import import_environment
from proxy.services.outages import tell_outages

logger = logging.getLogger(__name__)

LETTERS: Final = 50  # in one turn
LANES: Final = 4  # letters that are sent at the same time: one server that hangs holds up its own
SEAL_SECONDS: Final = 5.0
DELIVER_SECONDS: Final = 5.0
SEALER: Final = Sealer()
deliverer: Final = Deliverer()


async def run() -> None:
    """Until SIGTERM or SIGINT; what is in hand is finished first, if it is quick."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    address = read_direct_url(Environment())
    logger.info("relay started")
    worker = make_worker()
    if worker is not None:
        worker.start()
    beside = asyncio.create_task(end_with(stop, worker))
    await go_round(ROUNDS, stop, partial(listen, address))
    await beside
    logger.info("relay stopped")


async def end_with(stop: asyncio.Event, worker: Worker | None) -> None:
    await stop.wait()
    if worker is not None:
        await asyncio.to_thread(worker.stop)


def import_upstreams() -> Then:
    """Those of the environment, if `prepare` did not: it ran without them."""
    import_environment(Environment())
    return Then.DONE


def follow_webhook() -> Then:
    """The endpoint of the environment."""
    follow_environment(settings.WEBHOOK)
    return Then.DONE


async def deliver_webhooks() -> Then:
    """It looks by itself; turns only say that it does. What is in hand goes on between them, and is
    ended in the last one."""
    await deliverer.run(is_over, DELIVER_SECONDS)
    return Then.AGAIN


def send_mail() -> Then | None:
    sent = send_due(timezone.now(), most=LETTERS, is_over=is_over)
    return Then.AGAIN if sent == LETTERS else None


def seal_events() -> None:
    """Events get their places in the chain; its end is told once an hour."""
    SEALER.seal(is_over)
    tell_head(timezone.now())


def look_at_refusals() -> Then | None:
    """What doors refused becomes events."""
    full = refusals.tell_refusals(timezone.now()) == refusals.BATCH
    return Then.AGAIN if full else None


def look_at_wordpress() -> None:
    """The users who are said to have changed."""
    look_at_due(timezone.now(), is_over)


ROUNDS: Final = (
    Round("upstreams", import_upstreams),
    Round("webhook-of-environment", follow_webhook),
    Round("webhooks", deliver_webhooks),
    Round("mail", send_mail),
    *(Round(f"mail-{lane}", send_mail) for lane in range(2, LANES + 1)),
    Round("sealer", seal_events, SEAL_SECONDS),
    Round("targets", tell_outages),  # what gateways say of upstreams becomes events
    Round("refusals", look_at_refusals),
    Round("wordpress", look_at_wordpress),
)
