"""Adding and changing members goes through the services; staff's own log-in and sessions."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Status, User
from apikeys.models import ApiKey
from events.models import Event, Mail
from provisioning.models import ClaimLink
from provisioning.services.claims import claim_url
from tests import make
from tests.admin.conftest import House, clerk, logged_in
from tests.admin.pages import change

ADD = "admin:accounts_user_add"
NEW = {
    "username": "carol",
    "email": "carol@example.org",
    "display_name": "Carol",
    "tier": "starter",
}
INLINES = {
    f"{prefix}-{part}_FORMS": 0
    for prefix in ("grants", "api_keys")
    for part in ("TOTAL", "INITIAL")
}


def form(user: User, **given: Any) -> dict[str, Any]:
    names = ("username", "email", "display_name", "locale", "tier", "quota_size")
    kept = {name: getattr(user, name) for name in names}
    return {**kept, **INLINES, **given}


def test_adding_a_member_registers_it_and_shows_the_link_once(root: Client) -> None:
    answer = root.post(reverse(ADD), NEW)

    member = User.objects.get(username="carol")
    key = ApiKey.objects.get(owner=member)
    link = ClaimLink.objects.get(key=key)
    assert claim_url(link) in answer.content.decode()
    assert not key.is_claimed
    assert not member.has_usable_password()
    assert not member.is_staff
    assert not Mail.objects.exists()
    kinds = set(Event.objects.filter(actor__startswith="staff:").values_list("kind", flat=True))
    assert kinds == {"member:created", "apikey:created", "claim:created"}


def test_the_welcome_mail_is_sent_when_asked_for(root: Client) -> None:
    root.post(reverse(ADD), {**NEW, "welcome": "on"})

    assert Mail.objects.get().recipient == "carol@example.org"


@pytest.mark.parametrize(
    "given",
    [
        {"username": "BOB"}, {"email": "Bob@example.org"}, {"username": ""}, {"tier": "gold"},
        {"email": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_member_that_cannot_live_is_refused(
    given: dict[str, str], house: House, root: Client
) -> None:
    before = User.objects.count()

    answer = root.post(reverse(ADD), {**NEW, **given})

    assert answer.status_code == 200
    assert User.objects.count() == before


def test_a_profile_is_changed_through_the_service(house: House, root: Client) -> None:
    given = form(house.bob, display_name="Robert", tier="trial", quota_size="")

    answer = root.post(change(User, house.bob.pk), given)

    house.bob.refresh_from_db()
    assert answer.status_code == 302
    assert (house.bob.display_name, house.bob.tier, house.bob.quota_size) == (
        "Robert",
        "trial",
        None,
    )
    assert Event.objects.filter(kind="member:updated").count() == 2


def test_a_name_in_use_is_refused_instead_of_making_the_member_pending(
    house: House, root: Client
) -> None:
    answer = root.post(change(User, house.bob.pk), form(house.bob, username="Alice"))

    house.bob.refresh_from_db()
    assert answer.status_code == 200
    assert (house.bob.username, house.bob.status) == ("bob", Status.ACTIVE)


def test_a_deleted_member_is_not_changed(house: House, root: Client) -> None:
    User.objects.filter(pk=house.bob.pk).update(status=Status.DELETED)

    answer = root.post(change(User, house.bob.pk), form(house.bob, display_name="X"))

    assert answer.status_code == 403


def test_a_member_of_a_site_never_becomes_staff(house: House, root: Client) -> None:
    answer = root.post(change(User, house.alice.pk), form(house.alice, is_staff="on"))

    house.alice.refresh_from_db()
    assert answer.status_code == 200
    assert not house.alice.is_staff


def test_a_staff_user_is_made_by_a_superuser_in_two_steps(house: House, root: Client) -> None:
    root.post(change(User, house.bob.pk), form(house.bob, is_staff="on"))
    url = reverse("admin:auth_user_password_change", args=[house.bob.pk])
    assert root.get(url).status_code == 200
    passwords = {"password1": make.PASSWORD, "password2": make.PASSWORD}

    answer = root.post(url, {**passwords, "usable_password": "true"})

    assert answer.status_code == 302
    assert Client().login(username="bob", password=make.PASSWORD)


def test_a_member_has_no_password_to_set(house: House, root: Client) -> None:
    url = reverse("admin:auth_user_password_change", args=[house.bob.pk])

    assert root.post(url, {"password1": "x", "password2": "x"}).status_code == 403


def test_a_member_does_not_log_in_even_with_a_password(house: House) -> None:
    house.bob.set_password(make.PASSWORD)
    house.bob.save()

    given = {"username": "bob", "password": make.PASSWORD}
    answer = Client().post("/admin/login/?next=/admin/", given)

    assert answer.status_code == 200
    assert not Client().login(**given)


def test_no_session_of_a_member_reaches_the_admin(house: House) -> None:
    client = logged_in(house.bob)

    assert client.get("/admin/").status_code == 302
    assert client.get(change(User, house.bob.pk)).status_code == 302


def test_there_is_no_default_password(db: None) -> None:
    assert not User.objects.exists()


def test_a_session_dies_with_a_changed_password(db: None) -> None:
    user = make.staff()
    here, elsewhere = logged_in(user), logged_in(user)
    given = {"old_password": make.PASSWORD, "new_password1": "another long secret",
             "new_password2": "another long secret"}  # fmt: skip

    assert here.post("/admin/password_change/", given).status_code == 302

    assert here.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302


@pytest.mark.parametrize("change", [{"status": Status.SUSPENDED}, {"is_staff": False}], ids=str)
def test_a_session_dies_with_its_user(change: dict[str, Any], db: None) -> None:
    client = clerk("view_user")
    assert client.get("/admin/accounts/user/").status_code == 200

    User.objects.filter(username="clerk").update(**change)

    assert client.get("/admin/accounts/user/").status_code == 302


def test_a_session_ends_with_logging_out(root: Client) -> None:
    assert root.post("/admin/logout/").status_code == 200

    assert root.get("/admin/").status_code == 302
