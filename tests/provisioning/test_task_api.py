"""/api/v1/admin/provisioning-tasks, and the same in the web admin."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apikeys.services.keys import IssuedKey
from events.models import Event
from provisioning.models import ProvisioningTask, System, TaskState
from provisioning.services import outcomes, tasks
from tests import make
from tests.provisioning.sftpgo_settings import configured

pytestmark = pytest.mark.django_db
URL = "/api/v1/admin/provisioning-tasks"


@pytest.fixture
def dead(settings):
    settings.SFTPGO = configured()
    make.member("bob")
    make.member("alice")
    for claim in tasks.claim(System.SFTPGO, 2):
        outcomes.fail(claim, 1, "SFTPGo answered 400.", is_final=True)
    return ProvisioningTask.objects.get(member__username="alice")


def as_key(api, issued: IssuedKey):
    api.credentials(HTTP_X_API_KEY=issued.secret)
    return api


def test_the_list_says_whose_what_and_why(admin_api, dead):
    answer = admin_api.get(URL).json()

    assert answer["total"] == 2
    first = answer["results"][0]
    assert first["member"] == {"id": str(dead.member_id), "username": "alice"}
    assert (first["system"], first["state"], first["attempts"]) == ("sftpgo", "dead", 1)
    assert first["last_error"] == "SFTPGo answered 400."
    assert "lease" not in first


def test_filters_are_by_state_system_and_member(admin_api, dead):
    ProvisioningTask.objects.exclude(pk=dead.pk).update(state=TaskState.DONE)

    def total(query):
        return admin_api.get(f"{URL}?{query}").json()["total"]

    assert [total(f"state={state}") for state in ("pending", "done", "dead")] == [0, 1, 1]
    assert total("system=sftpgo") == 2
    assert total(f"member={dead.member_id}&state=dead") == 1
    for query in ("state=lost", "system=ftp", "member=1", "x=1", "state=dead&state=done"):
        assert admin_api.get(f"{URL}?{query}").status_code == 422, query


def test_a_list_costs_as_many_queries_as_a_row(admin_api, dead, django_assert_num_queries):
    with CaptureQueriesContext(connection) as few:
        admin_api.get(URL)
    for number in range(8):
        make.member(f"member{number}")

    with django_assert_num_queries(len(few)):
        assert admin_api.get(URL).json()["total"] == 10


def test_a_retry_makes_a_failed_task_due_and_is_an_event(admin_api, dead):
    answer = admin_api.post(f"{URL}/{dead.pk}/retry")

    assert (answer.status_code, answer.json()["state"]) == (200, "pending")
    assert answer.json()["attempts"] == 0
    assert tasks.claim(System.SFTPGO, 5)[0].task == dead.pk
    event = Event.objects.get(kind="provisioning:retried")
    assert (event.actor, event.subject) == ("admin-token", f"member:{dead.member_id.hex}")


def test_what_did_not_fail_is_409_and_what_is_not_there_404(admin_api, dead):
    assert admin_api.post(f"{URL}/{dead.pk}/retry").status_code == 200

    assert admin_api.post(f"{URL}/{dead.pk}/retry").status_code == 409
    assert admin_api.post(f"{URL}/{dead.member_id}/retry").status_code == 404
    assert admin_api.get(f"{URL}/{dead.member_id}").status_code == 404
    assert admin_api.delete(f"{URL}/{dead.pk}").status_code == 405


def test_scopes_say_who_reads_and_who_retries(api, dead):
    assert api.get(URL).status_code == 401
    as_key(api, make.service_key("validator"))
    assert api.get(f"{URL}/{dead.pk}").status_code == 200
    assert api.post(f"{URL}/{dead.pk}/retry").status_code == 403
    as_key(api, make.service_key("metrics"))
    assert api.get(URL).status_code == 403
    as_key(api, make.key(dead.member))
    assert api.get(URL).status_code == 403
    as_key(api, make.service_key("issuer"))
    assert api.post(f"{URL}/{dead.pk}/retry").status_code == 200


def test_staff_retry_one_and_several(client, dead):
    client.force_login(make.staff())
    page = reverse("admin:provisioning_provisioningtask_changelist")
    assert "SFTPGo answered 400." in client.get(page).content.decode()
    rows = ProvisioningTask.objects.values_list("pk", flat=True)
    form = {"action": "retry_selected", "_selected_action": list(rows)}

    asked = client.post(page, form)
    assert "tried again at once" in asked.content.decode()
    assert ProvisioningTask.objects.filter(state=TaskState.DEAD).count() == 2

    client.post(page, {**form, "confirmed": "yes"})
    assert not ProvisioningTask.objects.filter(state=TaskState.DEAD).exists()


def test_staff_who_may_only_see_retry_nothing(client, dead):
    viewer = make.staff("viewer", superuser=False)
    viewer.user_permissions.add(Permission.objects.get(codename="view_provisioningtask"))
    client.force_login(viewer)
    page = reverse("admin:provisioning_provisioningtask_changelist")
    button = (
        f"{reverse('admin:provisioning_provisioningtask_change', args=[dead.pk])[:-7]}retry-this"
    )

    assert client.get(page).status_code == 200
    client.post(
        page, {"action": "retry_selected", "_selected_action": [dead.pk], "confirmed": "yes"}
    )
    client.post(button, {"confirmed": "yes"})

    assert ProvisioningTask.objects.filter(state=TaskState.DEAD).count() == 2


def test_pages_of_accounts_show_names_and_homes(client, dead):
    client.force_login(make.staff())

    page = client.get(reverse("admin:provisioning_sftpgoaccount_changelist")).content.decode()

    assert "/data/alice" in page
