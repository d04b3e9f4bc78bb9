"""Webhook signatures: the independent library takes them, one of them changed it does not."""

import base64
import hashlib
import hmac
import time
import uuid

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from events.webhooks.signing import headers_of, key_of

ID = uuid.UUID("0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e")
BODY = '{"type":"apikey:revoked","data":{"name":"王"}}'.encode()
NEW = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLD = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()


def signed(*secrets, now=None):
    return headers_of(ID, BODY, [key_of(each) for each in secrets], now or int(time.time()))


def test_the_library_takes_the_signature():
    Webhook(NEW).verify(BODY, signed(NEW))


def test_both_secrets_verify_while_one_is_exchanged():
    headers = signed(NEW, OLD)

    for secret in (NEW, OLD):
        Webhook(secret).verify(BODY, headers)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "other"},
        {"webhook-timestamp": "1"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2" + signed(NEW)["webhook-signature"][2:]},
    ],
)
def test_what_was_changed_does_not_verify(change):
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, signed(NEW) | change)


def test_another_body_or_secret_does_not_verify():
    for secret, body in ((OLD, BODY), (NEW, BODY + b" ")):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, signed(NEW))


def test_the_plain_signature_is_the_newest_secrets_over_the_body():
    mac = hmac.new(bytes(range(32)), BODY, hashlib.sha256).hexdigest()

    assert signed(NEW, OLD)["X-Webhook-Signature"] == f"sha256={mac}"


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_AAAA", "whsec_%%%%", NEW.removeprefix("whsec_"),
     "whsec_" + base64.b64encode(bytes(65)).decode()],
)  # fmt: skip
def test_what_is_no_secret_is_refused(secret):
    with pytest.raises(ValueError, match=r"."):
        key_of(secret)
