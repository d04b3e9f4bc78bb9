"""WooCommerce and WP Webhooks as they sign, for tests."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

from django.utils import timezone
from rest_framework.test import APIClient

from provisioning.services.wakeups import look_at_due
from tests.provisioning.wordpress import URL

SECRET = "a secret that WooCommerce made"


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def post(body, kind="application/json", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = APIClient(raise_request_exception=False)
    return client.post(URL, raw, content_type=kind, **headers)


def woo(body, topic="customer.updated", **changed):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {
        "HTTP_X_WC_WEBHOOK_TOPIC": topic,
        "HTTP_X_WC_WEBHOOK_SIGNATURE": signature(raw),
        "HTTP_X_WC_WEBHOOK_DELIVERY_ID": "the same within a second",
    } | changed
    return post(raw, **headers)


def wpw(body, **changed):
    raw = json.dumps(body).encode()
    return post(raw, **{"HTTP_X_WP_WEBHOOK_SIGNATURE": signature(raw)} | changed)


def look() -> int:
    return look_at_due(timezone.now() + timedelta(seconds=1))
