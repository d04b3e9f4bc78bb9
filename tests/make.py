"""Rows for tests, made through the services; the cast is alice (owner), bob and root (staff)."""

import base64
import itertools
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password

from accounts.models import Site, User
from accounts.services import Profile
from apikeys.models import Grant, Tier
from apikeys.services.keys import IssuedKey, create_service_key, issue_member_key, issue_secret
from provisioning.models import ExternalToken
from provisioning.services.members import Registered, register_member
from provisioning.services.tokens import WantedToken, create_token
from proxy.models import Target, TargetCredential, Upstream

ACTOR = "test"
PASSWORD = "correct horse battery staple"
numbers = itertools.count(1)


def webhook_secret(seed: int = 1) -> str:
    return "whsec_" + base64.b64encode(bytes([seed]) * 16 + bytes(range(16))).decode()


def registered(username: str = "alice", **given: Any) -> Registered:
    email = given.pop("email", f"{username.lower()}@example.org")
    return register_member(Profile(username, email), actor=ACTOR, **given)


def member(username: str = "alice", **given: Any) -> User:
    return registered(username, **given).member


def key(owner: User | None = None, *, name: str = "test key") -> IssuedKey:
    return issue_member_key(owner or member(), name=name, actor=ACTOR)


def service_key(role: str = "issuer") -> IssuedKey:
    made = create_service_key(name=role, service_name="test", role=role, actor=ACTOR)
    return IssuedKey(made, issue_secret(made))


@cache
def hashed(_hashers: tuple[str, ...]) -> str:
    """Of PASSWORD, made once: it takes ten times as long as all the rest of somebody."""
    return make_password(PASSWORD)


def staff(username: str = "root", *, superuser: bool = True) -> User:
    password, email = hashed(tuple(settings.PASSWORD_HASHERS)), f"{username}@example.org"
    user = User(username=username, email=email, is_staff=True, password=password)
    user.is_superuser = superuser
    user.full_clean()
    user.save()
    return user


def site(number: int = 1) -> Site:
    made = Site(
        name=f"site {number}",
        url=f"https://site{number}.example.org/",
        webhook_secret=webhook_secret(number),
    )
    made.full_clean()
    made.save()
    return made


def tier(slug: str = "tiny", **limits: int | None) -> Tier:
    made = Tier(slug=slug, name=slug, **limits)
    made.full_clean()
    made.save()
    Grant.objects.create(tier=made, upstream="echo")
    return made


def upstream(slug: str = "echo", base_url: str = "http://127.0.0.1:9/", **given: Any) -> Upstream:
    credential = given.pop("credential", None)
    made = Upstream(slug=slug, name=slug, **given)
    made.full_clean()
    made.save()
    target = Target(upstream=made, base_url=base_url)
    target.full_clean()
    target.save()
    if credential is not None:
        keep_credential(target, credential)
    return made


def keep_credential(target: Target, secret: str, **given: Any) -> TargetCredential:
    made = TargetCredential(target=target, secret=secret, **given)
    made.full_clean()
    made.save()
    return made


def secrets_of(target: Target) -> list[str]:
    """Opened; the oldest first."""
    return [str(row.secret) for row in target.credentials.all()]


def external_token(
    provider: str = "gitea", token: str = "9f1c0a7e5b3d" * 3, **given: Any
) -> ExternalToken:
    made = {"label": "ci", "base_url": "http://127.0.0.1:9", **given}
    return create_token(WantedToken(provider=provider, token=token, **made), actor=ACTOR)
