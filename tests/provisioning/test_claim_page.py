"""The claim page: looking costs nothing, the button gives the key once (AUTH-11)."""

import re
import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.services.keys import issue_secret, revoke_key
from events.models import Event
from momentry.common.errors import MomentryError
from provisioning.models import Chance, ClaimLink
from provisioning.services.claims import claim_url, make_claim, use
from tests import make

SECRET = re.compile(r"muser_[0-9a-f]{32}_[0-9a-z]+_[0-9A-Za-z]{43}_[0-9A-Za-z]{12}")


def path_of(link: ClaimLink) -> str:
    return claim_url(link).removeprefix(settings.PUBLIC_URL)


@pytest.fixture
def claim(db: None) -> ClaimLink:
    return make.registered("alice").claim


def test_looking_shows_a_button_and_consumes_nothing(client: Client, claim: ClaimLink) -> None:
    for method in (client.get, client.head, client.get):
        answer = method(path_of(claim))
        assert answer.status_code == 200

    html = answer.content.decode()
    claim.refresh_from_db()
    assert "alice" in html
    assert "csrfmiddlewaretoken" in html
    assert not SECRET.search(html)
    assert claim.used_at is None
    assert not ApiKey.objects.get().is_claimed


def test_the_button_gives_a_key_that_works(client: Client, claim: ClaimLink) -> None:
    answer = client.post(path_of(claim))

    found = set(SECRET.findall(answer.content.decode()))
    assert answer.status_code == 200
    assert len(found) == 1
    secret = found.pop()
    html = answer.content.decode().replace("&quot;", '"')
    assert f'curl -H "X-API-Key: {secret}" {settings.PUBLIC_URL}/api/v1/me' in html
    assert client.get("/api/v1/me", headers={"X-API-Key": secret}).status_code == 200
    assert Event.objects.filter(kind="apikey:claimed").count() == 1


def test_the_second_press_gives_nothing(client: Client, claim: ClaimLink) -> None:
    client.post(path_of(claim))

    for again in (client.post(path_of(claim)), client.get(path_of(claim))):
        assert again.status_code == 404
        assert not SECRET.search(again.content.decode())
        assert "not valid any more" in again.content.decode()


def test_nothing_of_the_page_may_be_kept_framed_or_loaded(client: Client, claim: ClaimLink) -> None:
    for answer in (client.get(path_of(claim)), client.post(path_of(claim)), client.get("/claim/x")):
        html = answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        assert answer["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
        assert answer["Referrer-Policy"] == "same-origin"
        assert not re.search(r"<script|<img|<link|\bsrc=|url\(", html)


def test_the_button_needs_the_csrf_token(claim: ClaimLink) -> None:
    client = Client(enforce_csrf_checks=True)
    path = path_of(claim)
    token = client.get(path).context["csrf_token"]

    assert client.post(path).status_code == 403
    assert client.post(path, {"csrfmiddlewaretoken": str(token)}).status_code == 200


@pytest.mark.parametrize(
    "token",
    ["x", "é", "A" * 64, "A" * 5000, "..%2f", "AAAA-_==", "{cut}", "{other}", "{case}"],
)
def test_a_wrong_token_is_told_nothing(token: str, client: Client, claim: ClaimLink) -> None:
    good = path_of(claim).removeprefix("/claim/")
    wrong = token.format(cut=good[:-1], other=good[:-1] + ("A" if good[-1] != "A" else "B"),
                         case=good.swapcase())  # fmt: skip

    for answer in (client.get(f"/claim/{wrong}"), client.post(f"/claim/{wrong}")):
        assert answer.status_code == 404
        assert "alice" not in answer.content.decode()

    assert not ApiKey.objects.get().is_claimed


@pytest.mark.parametrize("end", ["expired", "voided", "revoked", "quarantined", "issued"])
def test_a_link_that_ended_offers_nothing(end: str, client: Client, claim: ClaimLink) -> None:
    now = timezone.now()
    match end:
        case "expired":
            ClaimLink.objects.update(expires_at=now - timedelta(seconds=1))
        case "voided":
            make_claim(claim.key, actor=make.ACTOR)
        case "revoked":
            revoke_key(claim.key, actor=make.ACTOR)
        case "quarantined":
            ApiKey.objects.update(quarantined_at=now)
        case "issued":
            issue_secret(claim.key)

    answers = [client.get(path_of(claim)), client.post(path_of(claim))]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert not any(SECRET.search(answer.content.decode()) for answer in answers)


def test_other_methods_are_refused(client: Client, claim: ClaimLink) -> None:
    assert [client.put(path_of(claim)).status_code, client.delete(path_of(claim)).status_code] == [
        405,
        405,
    ]


@pytest.mark.parametrize("meanwhile", ["used", "voided", "for another chance"])
def test_who_looked_before_it_ended_uses_it_no_more(meanwhile: str, claim: ClaimLink) -> None:
    chance = Chance.KEY
    match meanwhile:
        case "used":
            use(claim, chance)
        case "voided":
            make_claim(claim.key, actor=make.ACTOR)
        case _:
            chance = Chance.PASSWORD

    with pytest.raises(MomentryError, match="not valid any more"):
        use(claim, chance)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_many_presses_at_once_exactly_one_gets_the_key() -> None:
    path = path_of(make.registered("alice").claim)
    start = threading.Barrier(6)
    pages: list[str] = []

    def press() -> None:
        try:
            start.wait(10)
            pages.append(Client().post(path).content.decode())
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(pages) == 6
    assert sum(1 for page in pages if SECRET.search(page)) == 1
    assert Event.objects.filter(kind="apikey:claimed").count() == 1
