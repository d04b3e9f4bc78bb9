"""No page of the admin shows a secret, a digest, a nonce or an envelope (AUTH-11)."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import Site, User
from apikeys.models import ApiKey, Grant, Tier
from events.models import Event, Mail
from provisioning.models import ClaimLink, ExternalToken
from proxy.models import Target, TargetCredential, Upstream
from tests import make
from tests.admin.conftest import CREDENTIAL, TOKEN, House
from tests.admin.pages import change, changelist, label, pages

NEW = "sk-another-credential"
ENVELOPES = """
SELECT webhook_secret FROM accounts_site UNION ALL SELECT secret FROM proxy_targetcredential
UNION ALL SELECT token FROM provisioning_externaltoken
UNION ALL SELECT recipient FROM events_mail UNION ALL SELECT details FROM events_event
"""


def hidden(house: House) -> list[str]:
    """Whatever must appear on no page."""
    with connection.cursor() as cursor:
        cursor.execute(ENVELOPES)
        envelopes = [row[0] for row in cursor.fetchall() if row[0]]
    digests = [key.digest for key in ApiKey.objects.exclude(digest=None) if key.digest]
    nonces = list(ClaimLink.objects.values_list("nonce", flat=True))
    assert len(envelopes) > 4
    assert digests
    assert nonces
    known = [CREDENTIAL, TOKEN, make.webhook_secret(1), house.secret, "hidden.person@example.org"]
    return [*envelopes, *digests, *nonces, *known]


@pytest.mark.parametrize("model", [model for model, _ in pages()], ids=label)
def test_no_page_shows_a_secret(model: type[Model], house: House, root: Client) -> None:
    urls = [changelist(model), *(change(model, row.pk) for row in model._default_manager.all()[:4])]
    html = "".join(root.get(url).content.decode() for url in urls)

    assert [secret for secret in hidden(house) if secret in html] == []


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (ApiKey, "digest__startswith"), (ClaimLink, "nonce__startswith"),
        (User, "password__startswith"), (Grant, "key__digest__startswith"),
        (ApiKey, "owner__password__startswith"), (ApiKey, "claims__nonce__startswith"),
        (Upstream, "targets__credential__startswith"),
        (Upstream, "targets__credentials__secret__startswith"),
        (TargetCredential, "secret__startswith"), (Mail, "recipient__startswith"),
        (Site, "webhook_secret__startswith"), (ExternalToken, "token__startswith"),
        (Event, "details__contains"),
    ],
)  # fmt: skip
def test_no_filter_tells_a_secret_character_by_character(
    model: type[Model], lookup: str, house: House, root: Client
) -> None:
    answer = root.get(changelist(model), {lookup: "a"})

    assert answer.status_code in (302, 400)


def upstream_form(house: House, **given: str) -> dict[str, str | int]:
    target = house.upstream.targets.get()
    return {
        "name": "echo", "is_active": "on", "usage_format": "none", "request_weight": 1,
        "max_retries": 2, "failure_threshold": 5, "health_interval_ms": 5000,
        "injection": "header",
        "injection_name": "Authorization", "injection_template": "Bearer {credential}",
        "connect_timeout_ms": 5, "first_byte_timeout_ms": 5, "idle_timeout_ms": 5,
        "targets-TOTAL_FORMS": 1, "targets-INITIAL_FORMS": 1, "targets-0-id": str(target.pk),
        "targets-0-upstream": str(house.upstream.pk), "targets-0-base_url": target.base_url,
        "targets-0-weight": 1, "targets-0-is_active": "on", "targets-0-new_credential": "",
        **given,
    }  # fmt: skip


def save(house: House, root: Client, **given: str) -> int:
    return root.post(change(Upstream, house.upstream.pk), upstream_form(house, **given)).status_code


def test_an_empty_credential_keeps_the_old_one(house: House, root: Client) -> None:
    assert save(house, root) == 302

    assert make.secrets_of(Target.objects.get()) == [CREDENTIAL]


def test_a_new_credential_replaces_the_old_one_and_is_logged_nowhere(
    house: House, root: Client
) -> None:
    assert save(house, root, **{"targets-0-new_credential": NEW}) == 302

    assert make.secrets_of(Target.objects.get()) == [NEW]
    assert not [entry for entry in LogEntry.objects.all() if NEW in entry.change_message]


def test_a_form_with_an_error_does_not_repeat_the_credential(house: House, root: Client) -> None:
    given = upstream_form(house, **{"targets-0-new_credential": NEW, "name": ""})

    answer = root.post(change(Upstream, house.upstream.pk), given)

    assert answer.status_code == 200
    assert NEW not in answer.content.decode()
    assert make.secrets_of(Target.objects.get()) == [CREDENTIAL]


@pytest.mark.parametrize(
    "given",
    [
        {"targets-0-new_credential": "line\r\nbreak"}, {"targets-0-new_credential": "é"},
        {"targets-0-base_url": "ftp://127.0.0.1/"}, {"targets-0-base_url": "javascript:alert(1)"},
        {"targets-0-base_url": "http://user:pass@127.0.0.1/"},
        {"targets-0-base_url": "http://127.0.0.1/?a=b"},
        {"targets-0-base_url": "http://169.254.169.254/"}, {"targets-0-base_url": "http://0xa9fea9fe/"},
        {"injection_template": "Bearer"}, {"injection_name": "Host"},
        {"injection_name": "X-Momentry-Member"}, {"injection": "query", "injection_name": ""},
    ],
    ids=str,
)  # fmt: skip
def test_an_upstream_the_gateway_could_not_use_is_refused(
    given: dict[str, str], house: House, root: Client
) -> None:
    assert save(house, root, **given) == 200

    assert Target.objects.get().base_url == "http://127.0.0.1:9/"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_é", "not base64!"])
def test_a_site_needs_a_secret_the_receiver_accepts(secret: str, root: Client) -> None:
    given = {"name": "blog", "url": "https://blog.example.org/", "new_secret": secret}

    answer = root.post(reverse("admin:accounts_site_add"), given)

    assert answer.status_code == 200
    assert not Site.objects.exists()


def test_a_site_is_added_and_keeps_its_secret(root: Client) -> None:
    given = {"name": "blog", "url": "https://blog.example.org/", "disabled_at_0": ""}
    secret = make.webhook_secret(9)

    added = root.post(reverse("admin:accounts_site_add"), {**given, "new_secret": secret})
    site = Site.objects.get()
    kept = root.post(change(Site, site.pk), {**given, "name": "news", "new_secret": ""})

    assert (added.status_code, kept.status_code) == (302, 302)
    site = Site.objects.get()
    assert (site.name, site.webhook_secret) == ("news", secret)


def test_a_tier_with_members_stays(house: House, root: Client) -> None:
    answer = root.post(reverse("admin:apikeys_tier_delete", args=["starter"]), {"post": "yes"})

    assert answer.status_code == 403
    assert Tier.objects.filter(slug="starter").exists()
