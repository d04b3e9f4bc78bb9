"""Webhooks at once (INB-01), and beside what staff do at the same moment."""

import threading

import pytest
from django.db import connection, transaction

from accounts.models import Status, User
from apikeys.models import ApiKey
from tests import make
from tests.provisioning.wordpress import event, send


@pytest.fixture
def site():
    return make.site()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_same_event_many_times_at_once_makes_one_member(site):
    body, answers = event(), []

    def deliver() -> None:
        try:
            answers.append(send(body).json()["status"])
        finally:
            connection.close()

    workers = [threading.Thread(target=deliver) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(answers) == ["applied"] + ["duplicate"] * 7
    assert (User.objects.count(), ApiKey.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_different_events_of_one_new_user_at_once_make_one_member(site):
    answers = []

    def deliver(sequence: int) -> None:
        try:
            answers.append(send(event(sequence)).json()["status"])
        finally:
            connection.close()

    workers = [threading.Thread(target=deliver, args=(n,)) for n in range(1, 7)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert set(answers) <= {"applied", "stale"}
    assert (User.objects.count(), ApiKey.objects.count()) == (1, 1)
    assert User.objects.get().last_sequence == 6


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.DELETED])
def test_a_webhook_does_not_overwrite_a_status_that_changes_meanwhile(site, status):
    send(event(1))
    answers = []

    def deliver() -> None:
        try:
            answers.append(send(event(2, "user.updated", display_name="Newer")).json())
        finally:
            connection.close()

    hook = threading.Thread(target=deliver)
    with transaction.atomic():
        User.objects.update(status=status, status_reason="by staff")
        hook.start()
        hook.join(0.5)
        assert answers == []
    hook.join()

    assert answers == [{"status": "applied"}]
    assert User.objects.get().status == status


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("known", [True, False])
def test_one_name_for_many_at_once_is_a_conflict_and_never_a_fault(site, known):
    answers = []
    if known:
        for number in range(6):
            send(event(1, id=number + 1, username=f"u{number}", email=f"u{number}@example.org"))

    def deliver(number: int) -> None:
        try:
            answers.append(send(event(2, id=number + 1, username="wanted", email="w@example.org")))
        finally:
            connection.close()

    hooks = [threading.Thread(target=deliver, args=(number,)) for number in range(6)]
    for hook in hooks:
        hook.start()
    for hook in hooks:
        hook.join()

    assert [answer.status_code for answer in answers] == [200] * 6
    assert sorted(answer.json()["status"] for answer in answers) == ["applied"] + ["conflict"] * 5
