"""A break is told once, whatever happens in between; a verdict on another token is dropped."""

import json
import threading

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from events.models import Event
from momentry.common.errors import MomentryError
from provisioning import tasks
from provisioning.models import ExternalToken
from provisioning.services import token_checks
from provisioning.services.tokens import change_token
from provisioning.tokens.base import REFUSED, Owner
from tests import make
from tests.gateway.wire import within
from tests.provisioning.gitea import Gitea
from tests.provisioning.n8n import N8n
from tests.provisioning.standin import Told
from tests.provisioning.tokens import SECRET, judged, kinds

BREAKS = ["token:broken", "token:repaired"]


def breaks(token):
    return [kind for kind in kinds(token) if kind in BREAKS]


@pytest.mark.django_db
def test_a_break_is_told_once_until_it_is_mended(caplog):
    with Gitea() as peer:
        token = make.external_token(token=SECRET, base_url=peer.base_url)
        states = [judged(token).state]
        peer.down = Told(502, b"")
        states.append(judged(token).state)
        peer.down = None
        states += [judged(token).state, judged(token).state]
        peer.mint("all", sha1=SECRET)
        states += [judged(token).state, judged(token).state]
        peer.tokens.clear()
        states.append(judged(token).state)

    assert states == ["broken", "unreachable", "broken", "broken", "valid", "valid", "broken"]
    assert breaks(token) == ["token:broken", "token:repaired", "token:broken"]
    found = Event.objects.filter(kind="token:broken").first()
    told = json.loads(found.details)
    assert (told["provider"], told["label"], told["owner"]) == ("gitea", "ci", None)
    assert SECRET not in json.dumps(told) + caplog.text


@pytest.mark.django_db
def test_a_new_secret_that_works_mends_the_break():
    with Gitea() as peer:
        token = judged(make.external_token(token=SECRET, base_url=peer.base_url))
        change_token(token.pk, {"token": peer.mint("all")}, actor=make.ACTOR)
        token.refresh_from_db()
        assert (token.state, token.broken_since is None) == ("unverified", False)

        assert judged(token).broken_since is None
        assert breaks(token) == BREAKS


@pytest.mark.django_db
def test_nobody_answers():
    token = judged(make.external_token(base_url="http://127.0.0.1:9"))

    assert (token.state, token.reason) == ("unreachable", "Nobody takes the connection.")
    assert breaks(token) == []


@pytest.mark.django_db
def test_where_the_egress_guard_leads_nobody():
    token = make.external_token(base_url="http://127.0.0.1:9")
    ExternalToken.objects.update(base_url="http://169.254.169.254")

    assert "egress guard" in judged(token).reason


@pytest.mark.django_db
def test_the_history_is_the_last_ten_states():
    with Gitea() as peer:
        token = make.external_token(token=SECRET, base_url=peer.base_url)
        for number in range(12):
            peer.down = Told(500 + number, b"") if number % 2 else None
            judged(token)
            judged(token)  # the same again is no entry
        token.refresh_from_db()

        assert [entry["state"] for entry in token.history] == ["unreachable", "broken"] * 5
        assert [entry["reason"][12:15] for entry in token.history[::2]] == [
            "511", "509", "507", "505", "503",
        ]  # fmt: skip


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_several_at_once_one_tells_the_break():
    """Both verdicts are there before either is kept."""
    token = make.external_token()

    def run():
        try:
            token_checks.keep(token.pk, token.version, REFUSED, actor=make.ACTOR)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    with transaction.atomic():
        ExternalToken.objects.select_for_update().get()
        for thread in threads:
            thread.start()
        assert within(30, lambda: waiting() == 2)
    for thread in threads:
        thread.join(30)

    assert breaks(token) == ["token:broken"]


def waiting():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # kept for a transaction
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE '%provisioning_externaltoken%'"
        )
        return cursor.fetchone()[0]


@pytest.mark.django_db
def test_a_verdict_on_a_token_that_was_replaced_meanwhile_is_dropped():
    with Gitea() as peer:
        token = make.external_token(token=SECRET, base_url=peer.base_url)
        verdict = token_checks.verdict_on(token)
        change_token(token.pk, {"token": peer.mint("all")}, actor=make.ACTOR)

        kept = token_checks.keep(token.pk, token.version, verdict, actor=make.ACTOR)

        assert (verdict.state, kept.state, kept.tried_at) == ("broken", "unverified", None)
        assert breaks(token) == []


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_no_connection_to_the_database_is_kept_while_a_server_is_asked():
    held, ours = [], connections["default"]

    class Watching(Gitea):
        def answer(self, heard):
            held.append(ours.connection is not None)
            return super().answer(heard)

    with Watching() as peer:
        judged(make.external_token(token=SECRET, base_url=peer.base_url))

    assert held == [False]


@pytest.mark.django_db
def test_a_secret_that_came_while_the_old_one_was_taken_back_stays(monkeypatch):
    with Gitea() as peer:
        token = make.external_token(
            token=peer.mint("all"), base_url=peer.base_url, username="alice"
        )
        take_back = token_checks.PROVIDERS["gitea"].revoke

        def revoke(asked, owner):
            take_back(asked, owner)
            change_token(token.pk, {"token": SECRET}, actor=make.ACTOR)

        monkeypatch.setattr(token_checks.PROVIDERS["gitea"], "revoke", revoke)

        with pytest.raises(MomentryError, match="precondition_failed"):
            token_checks.revoke_token(token.pk, Owner("hunter2 hunter2"), actor=make.ACTOR)

        assert peer.tokens == []
        token.refresh_from_db()
        assert token.token == SECRET


@pytest.mark.django_db
def test_all_are_verified_and_a_silent_server_is_asked_once(capsys):
    with Gitea() as peer, N8n() as silent:
        silent.down = Told(503, b"")
        make.external_token("gitea", peer.mint("all"), base_url=peer.base_url)
        make.external_token("gitea", SECRET, base_url=peer.base_url, label="gone")
        for label in "abc":
            make.external_token("n8n", base_url=silent.base_url, label=label)

        call_command("verify_tokens")
        told = capsys.readouterr().out
        tasks.verify_tokens()

        assert told == "Verified 5 tokens: 1 broken, 3 unreachable, 1 valid.\n"
        assert len(silent.heard) == 2
        assert Event.objects.filter(kind="token:broken").count() == 1
        states = ExternalToken.objects.order_by("provider", "label").values_list("state", flat=True)
        assert list(states) == ["valid", "broken", *["unreachable"] * 3]
