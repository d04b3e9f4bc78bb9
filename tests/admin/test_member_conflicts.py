"""The member page: a conflict's reason and ways out, restoring, when the purge comes."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey
from events.models import Event, Mail
from provisioning.services import members
from tests import make
from tests.admin.conftest import House, clerk, staff
from tests.admin.pages import button, change

YES = {"confirmed": "yes"}
BUTTONS = ("resolve_this", "rename_this", "merge_this", "restore_this", "suspend_this")


@pytest.fixture
def twin(house: House) -> User:
    """bob (local) has this WordPress user's name."""
    return make.member("BOB", email="", site=house.site, wordpress_id=8)


def offered(client: Client, member: User) -> set[str]:
    html = client.get(change(User, member.pk)).content.decode()
    return {name for name in BUTTONS if button(member, name) in html}


def test_a_pending_member_shows_why_and_with_whom(root: Client, house: House, twin: User) -> None:
    html = root.get(change(User, twin.pk)).content.decode()

    assert "username in use" in html
    assert change(User, house.bob.pk) in html
    assert offered(root, twin) == {"resolve_this", "rename_this", "merge_this"}


def test_each_state_has_its_buttons(root: Client, house: House) -> None:
    assert offered(root, house.alice) == {"rename_this", "suspend_this"}
    members.delete_member(house.alice, actor="test")
    assert offered(root, house.alice) == {"restore_this"}
    User.objects.filter(pk=house.alice.pk).update(purged_at=timezone.now())
    assert offered(root, house.alice) == set()


def test_renaming_ends_the_conflict(root: Client, twin: User) -> None:
    given = {"username": "robert", "email": "robert@example.org"}
    assert root.get(button(twin, "rename_this")).status_code == 200

    answer = root.post(button(twin, "rename_this"), given)

    twin.refresh_from_db()
    assert answer.status_code == 302
    assert (twin.status, twin.username) == ("active", "robert")
    assert Event.objects.filter(kind="member:updated", actor__startswith="staff:").exists()


def test_a_name_of_another_is_said_at_the_form(root: Client, twin: User) -> None:
    answer = root.post(button(twin, "rename_this"), {"username": "alice", "email": ""})

    assert answer.status_code == 200
    assert "Username in use" in answer.content.decode()
    twin.refresh_from_db()
    assert twin.username == "BOB"


def test_merging_offers_who_has_the_name_and_no_other(
    root: Client, house: House, twin: User
) -> None:
    asked = root.get(button(twin, "merge_this")).content.decode()
    refused = root.post(button(twin, "merge_this"), {"into": str(house.alice.pk)})
    done = root.post(button(twin, "merge_this"), {"into": str(house.bob.pk)})

    assert str(house.bob.pk) in asked
    assert str(house.alice.pk) not in asked
    assert (refused.status_code, done.status_code) == (200, 302)
    house.bob.refresh_from_db()
    twin.refresh_from_db()
    assert (house.bob.wordpress_id, twin.status) == (8, "deleted")
    assert not ApiKey.objects.filter(owner=twin, revoked_at=None).exists()


def test_nobody_is_merged_into_staff(root: Client, house: House) -> None:
    clerk("view_user", username="boss")
    twin = make.member("Boss", email="", site=house.site, wordpress_id=8)

    answer = root.post(
        button(twin, "merge_this"), {"into": str(User.objects.get(username="boss").pk)}
    )

    assert "Staff are not linked" in answer.content.decode()
    assert User.objects.get(username="boss").wordpress_id is None


def test_looking_again_lets_live_whose_name_is_free(root: Client, house: House, twin: User) -> None:
    for expected in ("pending", "active"):
        answer = root.post(button(twin, "resolve_this"), YES, follow=True)
        twin.refresh_from_db()
        assert (answer.status_code, twin.status) == (200, expected)
        User.objects.filter(pk=house.bob.pk).update(username="robert")


def test_restoring_sends_the_link_of_a_fresh_key(root: Client, house: House) -> None:
    members.delete_member(house.bob, actor="test")
    day = timezone.now() + timedelta(days=30)
    assert day.strftime("%Y") in root.get(change(User, house.bob.pk)).content.decode()

    for _ in range(2):
        root.post(button(house.bob, "restore_this"), YES)

    house.bob.refresh_from_db()
    assert house.bob.status == "active"
    assert ApiKey.objects.filter(owner=house.bob, revoked_at=None).count() == 1
    letters = Mail.objects.filter(template="welcome", context__member=house.bob.pk.hex)
    assert letters.count() == 2  # when he arrived, and now


def test_the_profile_of_a_wordpress_user_is_not_for_changing_here(
    root: Client, house: House
) -> None:
    form = {
        "username": "mallory", "email": "mallory@example.org", "display_name": "M", "locale": "",
        "tier": "trial", "quota_size": "5",
        **{f"{prefix}-{part}_FORMS": 0 for prefix in ("grants", "api_keys")
           for part in ("TOTAL", "INITIAL")},
    }  # fmt: skip

    answer = root.post(change(User, house.alice.pk), form)

    house.alice.refresh_from_db()
    assert answer.status_code == 302
    assert (house.alice.username, house.alice.tier, house.alice.quota_size) == ("alice", "trial", 5)


@pytest.mark.parametrize("action", ["resolve_this", "rename_this", "merge_this", "restore_this"])
def test_view_only_staff_press_nothing(
    action: str, viewer: Client, house: House, twin: User
) -> None:
    given = {**YES, "username": "x", "email": "", "into": str(house.bob.pk)}

    for send in (viewer.get, viewer.post):
        assert send(button(twin, action), given).status_code == 403

    assert offered(viewer, twin) == set()
    assert User.objects.get(pk=twin.pk).version == twin.version


@pytest.mark.parametrize("action", ["rename_this", "merge_this"])
def test_staff_users_have_no_such_pages(action: str, root: Client) -> None:
    other = staff("other")

    assert root.post(button(other, action), {"username": "x"}).status_code == 404
