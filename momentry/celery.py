"""The Celery application: scheduled work. Web requests and webhooks never wait for it."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from momentry.common.logs import configure

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "momentry.settings")

app = Celery("momentry")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # a receiver keeps Celery from putting its own logging in our place
def keep_logging(**_: Any) -> None:
    configure("worker")
