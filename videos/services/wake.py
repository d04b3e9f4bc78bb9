"""Tells the worker that a file waits to be read. Nobody waits for that: what is not told, because
Valkey is away, the next sweep finds (momentry/schedule.py)."""

import logging
import time
from typing import Final

from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)
TASK: Final = "videos.tasks.hash_files"
SECONDS: Final = 0.5  # the most that a request waits for Valkey
EVERY_SECONDS: Final = 1.0  # the task begins as much later: what comes in between is read too
AWAY_SECONDS: Final = 30.0  # of quiet, after Valkey did not answer
TIMES: Final = {"socket_timeout": SECONDS, "socket_connect_timeout": SECONDS, "max_retries": 0}


class Waker:
    """One per process."""

    def __init__(self) -> None:
        self.quiet_until = 0.0

    def wake(self) -> None:
        sees_files = settings.SFTPGO is not None and settings.SFTPGO.data_root
        now = time.monotonic()
        if not sees_files or now < self.quiet_until:
            return
        self.quiet_until = now + EVERY_SECONDS
        try:
            with Connection(settings.CELERY_BROKER_URL, transport_options=TIMES) as connection:
                current_app.send_task(
                    TASK, connection=connection, countdown=EVERY_SECONDS, expires=600, retry=False
                )
        except (OperationalError, OSError) as error:
            self.quiet_until = now + AWAY_SECONDS
            logger.info("not told to the worker", extra={"error": type(error).__name__})


waker: Final = Waker()
