"""Rows for the benchmarks over HTTP, made through the services. Import it after set_up()."""

import uuid
from copy import copy

from django.utils import timezone

from accounts.models import User
from accounts.services import Profile
from apikeys.models import ApiKey, Grant, Tier
from apikeys.services.gate import peppers
from apikeys.services.keys import create_service_key, issue_member_key, issue_secret, mint
from provisioning.services.members import register_member
from proxy.models import Injection, Target, TargetCredential, Upstream

ACTOR = "benchmark"


def tier(slug: str, **limits: int | None) -> Tier:
    return Tier.objects.create(slug=slug, name=slug, **limits)


def member(username: str, slug: str) -> User:
    profile = Profile(username, f"{username}@example.org")
    return register_member(profile, actor=ACTOR, tier=slug).member


def member_secret(username: str, slug: str, *upstreams: str) -> str:
    """The key of a new member of this tier, who may call these upstreams."""
    owner = member(username, slug)
    for upstream in upstreams:
        Grant.objects.create(member=owner, upstream=upstream)
    return issue_member_key(owner, name=username, actor=ACTOR).secret


def service_secret(role: str) -> str:
    made = create_service_key(name=role, service_name="benchmark", role=role, actor=ACTOR)
    return issue_secret(made)


def upstream(slug: str, *base_urls: str, credential: str | None = None) -> None:
    """A target for each URL; a credential goes into the Authorization header."""
    injection = Injection.HEADER if credential else Injection.NONE
    made = Upstream.objects.create(slug=slug, name=slug, injection=injection)
    for base_url in base_urls:
        target = Target.objects.create(upstream=made, base_url=base_url)
        if credential is not None:
            TargetCredential.objects.create(target=target, secret=credential)


def more_secrets(secret: str, total: int) -> list[str]:
    """As many keys more of the same member: too many to issue one by one."""
    key = ApiKey.objects.get(pk=uuid.UUID(secret.split("_")[1]))
    rows, secrets, now = [], [], timezone.now()
    for _ in range(total):
        row = copy(key)
        row.pk = uuid.uuid4()
        secrets.append(mint(row, now))
        row.digest = peppers().digest(secrets[-1])
        rows.append(row)
    ApiKey.objects.bulk_create(rows, batch_size=1000)
    return secrets
