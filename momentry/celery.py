"""The Celery application: scheduled work. Web requests and webhooks never wait for it."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "momentry.settings")

app = Celery("momentry")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
