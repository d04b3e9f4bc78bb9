"""Makes secrets for the settings. Standard library only: it must work before any setting exists.

``main(["encryption-key"])`` prints the value alone, ready for a variable or a file.
"""

import argparse
import base64
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Final

from momentry.common.crypto.material import KEY_BYTES, encode_key, is_weak

KINDS: Final[dict[str, str]] = {
    "encryption-key": "ENCRYPTION_KEY: put a new one in front of the old ones",
    "pepper": "API_KEY_PEPPERS: number and pepper; put a new one in front of the old ones",
    "admin-token": "ADMIN_TOKEN",
    "webhook-secret": "WEBHOOK_SECRET and sites (Standard Webhooks)",
    "secret-key": "SECRET_KEY",
}


def random_key() -> str:
    while is_weak(raw := secrets.token_bytes(KEY_BYTES)):
        pass
    return encode_key(raw)


def webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def generate(kind: str, *, number: int = 1) -> str:
    """A new secret of one of KINDS; ``number`` is a pepper's."""
    makers: dict[str, Callable[[], str]] = {
        "encryption-key": random_key,
        "pepper": lambda: f"{number}:{random_key()}",
        "admin-token": lambda: secrets.token_urlsafe(36),
        "webhook-secret": webhook_secret,
        "secret-key": lambda: secrets.token_urlsafe(48),
    }
    return makers[kind]()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    described = "; ".join(f"{kind} for {use}" for kind, use in KINDS.items())
    parser.add_argument("kind", choices=list(KINDS), help=described)
    parser.add_argument("--number", type=positive, default=1, help="a pepper's number (default 1)")


def positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py generate_secret", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(argv)
    sys.stdout.write(generate(options.kind, number=options.number) + "\n")
    return 0
