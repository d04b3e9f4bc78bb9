"""Pending members: renamed, merged, resolved again, and linked where the setting allows it."""

import pytest

from accounts.models import Status, User
from apikeys.models import ApiKey
from events.models import Event, Mail
from momentry.common.errors import MomentryError
from provisioning.services import members
from tests import make
from tests.apikeys.calls import client
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db
STAFF = {"actor": "staff:1"}
TWIN = {"id": 38, "username": "alice2"}  # the address of alice, who is number 37


@pytest.fixture
def site():
    return make.site()


@pytest.fixture
def twin(site):
    """alice, and another WordPress user with her address."""
    send(event(1))
    send(event(1, **TWIN))
    return User.objects.get(wordpress_id=38)


class TestRenaming:
    def test_a_renamed_member_lives_and_is_welcomed(self, twin):
        assert (twin.status, twin.status_reason) == ("pending", "email in use")

        members.rename_member(twin, {"email": "twin@example.org"}, **STAFF)

        assert (twin.status, twin.email) == ("active", "twin@example.org")
        assert [m.recipient for m in Mail.objects.order_by("id")] == [
            "alice@example.org", "twin@example.org",
        ]  # fmt: skip
        assert Mail.objects.latest("id").template == "welcome"

    def test_wordpress_does_not_take_back_what_staff_renamed(self, twin):
        members.rename_member(twin, {"email": "twin@example.org"}, **STAFF)

        answer = send(event(2, "user.updated", **TWIN, display_name="Newer"))

        twin.refresh_from_db()
        assert answer.json() == {"status": "applied"}
        assert (twin.email, twin.display_name) == ("twin@example.org", "Newer")

    def test_until_it_changes_there(self, twin):
        members.rename_member(twin, {"email": "twin@example.org"}, **STAFF)

        send(event(2, "user.updated", **TWIN | {"email": "third@example.org"}))
        send(event(3, "user.updated", **TWIN))

        twin.refresh_from_db()
        assert (twin.status, twin.email) == ("pending", "alice@example.org")

    @pytest.mark.parametrize("names", [{"username": "ALICE"}, {"email": "Alice@Example.org"}])
    def test_a_name_of_another_is_refused_and_nothing_changes(self, twin, names):
        with pytest.raises(MomentryError, match="in use: choose another"):
            members.rename_member(twin, names, **STAFF)

        assert User.objects.get(pk=twin.pk).version == twin.version

    def test_staff_may_free_a_name_by_renaming_who_has_it(
        self, twin, django_capture_on_commit_callbacks
    ):
        alice = User.objects.get(wordpress_id=37)

        with django_capture_on_commit_callbacks(execute=True):
            members.rename_member(alice, {"email": "a@example.org"}, **STAFF)

        twin.refresh_from_db()
        assert twin.status == Status.ACTIVE
        assert Event.objects.filter(kind="member:resolved").count() == 1


class TestWhoWaits:
    @pytest.mark.parametrize("leaving", ["delete", "rename", "webhook"])
    def test_who_waits_for_a_name_lives_when_the_other_leaves(
        self, twin, leaving, django_capture_on_commit_callbacks
    ):
        alice = User.objects.get(wordpress_id=37)

        with django_capture_on_commit_callbacks(execute=True):
            if leaving == "delete":
                members.delete_member(alice, **STAFF)
            elif leaving == "rename":
                members.rename_member(alice, {"email": "a@example.org"}, **STAFF)
            else:
                send(event(2, "user.updated", email="a@example.org"))

        twin.refresh_from_db()
        assert (twin.status, twin.status_reason) == ("active", "")
        assert Mail.objects.filter(template="welcome").count() == 2

    def test_of_two_who_wait_the_first_lives(self, twin, django_capture_on_commit_callbacks):
        send(event(1, id=39, username="alice3"))

        with django_capture_on_commit_callbacks(execute=True):
            members.delete_member(User.objects.get(wordpress_id=37), **STAFF)

        found = User.objects.exclude(wordpress_id=37).order_by("wordpress_id")
        assert list(found.values_list("status", flat=True)) == ["active", "pending"]

    def test_what_a_killed_process_left_waiting_is_found_later(self, twin):
        members.delete_member(User.objects.get(wordpress_id=37), **STAFF)
        twin.refresh_from_db()
        assert twin.status == Status.PENDING  # nothing ran after the commit

        assert [members.resolve_waiting(actor="schedule") for _ in range(2)] == [1, 0]

        twin.refresh_from_db()
        assert twin.status == Status.ACTIVE

    def test_staff_look_again_in_vain_while_the_name_is_taken(self, twin):
        assert members.resolve_member(twin, **STAFF) is False
        assert not Event.objects.filter(kind="member:resolved").exists()


class TestMerging:
    @pytest.fixture
    def local(self, site):
        """alice was made by staff; then she registers in WordPress."""
        alice = make.member("alice", welcome=False)
        send(event(4, username="alice.w"))
        return alice

    @pytest.fixture
    def arrived(self, local):
        return User.objects.get(wordpress_id=37)

    def test_the_wordpress_user_becomes_the_live_members(self, local, arrived):
        secret = make.key(local).secret
        context = {"member": arrived.pk.hex}
        Mail.objects.create(template="welcome", recipient="a@example.org", context=context)

        members.merge_member(arrived, local, **STAFF)

        assert not Mail.objects.filter(context__member=arrived.pk.hex).exists()
        local.refresh_from_db()
        arrived.refresh_from_db()
        assert (local.wordpress_id, local.username, local.status) == (37, "alice.w", "active")
        assert (arrived.wordpress_id, arrived.status) == (None, "deleted")
        assert arrived.email == ""
        assert local.pk.hex in arrived.status_reason
        assert not ApiKey.objects.filter(owner=arrived, revoked_at=None).exists()
        assert client(secret).get("/api/v1/me").status_code == 200

    def test_the_next_webhook_is_for_the_merged_member(self, local, arrived):
        members.merge_member(arrived, local, **STAFF)

        answers = [
            send(event(4, "user.updated", display_name="Old")).json()["status"],
            send(event(5, "user.updated", display_name="New")).json()["status"],
        ]

        local.refresh_from_db()
        assert (answers, local.display_name) == (["stale", "applied"], "New")
        assert User.objects.exclude(status=Status.DELETED).count() == 1

    def test_what_was_merged_is_not_restored(self, local, arrived):
        members.merge_member(arrived, local, **STAFF)

        with pytest.raises(MomentryError, match="purged"):
            members.restore_member(arrived, **STAFF)

    def test_a_suspension_in_wordpress_comes_along(self, local, arrived):
        send(event(5, "user.updated", username="alice.w", status="suspended"))

        members.merge_member(User.objects.get(pk=arrived.pk), local, **STAFF)

        local.refresh_from_db()
        assert local.status == Status.SUSPENDED

    @pytest.mark.parametrize("why", ["linked", "staff", "other", "active", "files", "third"])
    def test_what_cannot_be_one_person_is_refused_whole(self, why, local, arrived):
        into = local
        if why == "linked":
            User.objects.filter(pk=local.pk).update(site=arrived.site, wordpress_id=99)
        elif why == "staff":
            User.objects.filter(pk=local.pk).update(is_staff=True)
        elif why == "other":
            into = make.member("bob")
        elif why == "active":
            arrived, into = make.member("carol"), arrived
        elif why == "files":
            User.objects.filter(pk=arrived.pk).update(quota_used=1)
        elif why == "third":
            make.member("alice.W", email="")
        before = list(User.objects.order_by("id").values())

        with pytest.raises(MomentryError) as caught:
            members.merge_member(arrived, into, **STAFF)

        assert caught.value.code.code == "conflict"
        assert list(User.objects.order_by("id").values()) == before


class TestLinkByEmail:
    def test_by_itself_nothing_is_linked(self, site):
        make.member("alice")

        assert send(event(1, username="other")).json() == {"status": "conflict"}
        assert User.objects.get(username="alice").wordpress_id is None

    def test_with_the_setting_the_local_member_is_linked(self, site, settings):
        settings.LINK_BY_EMAIL = True
        alice = make.member("alice")

        answer = send(event(1, username="other", email="ALICE@example.org"))

        alice.refresh_from_db()
        assert answer.json() == {"status": "applied"}
        assert (alice.wordpress_id, alice.username, alice.last_sequence) == (37, "other", 1)
        assert (User.objects.count(), ApiKey.objects.count()) == (1, 1)

    @pytest.mark.parametrize("who", ["staff", "superuser", "linked", "deleted", "no address"])
    def test_never_is_anybody_taken_over_who_must_not_be(self, who, site, settings):
        settings.LINK_BY_EMAIL = True
        alice = make.member("alice", email="" if who == "no address" else "alice@example.org")
        changes = {
            "staff": {"is_staff": True}, "superuser": {"is_superuser": True},
            "linked": {"site": site, "wordpress_id": 5}, "deleted": {"status": "deleted"},
            "no address": {"is_staff": False},
        }  # fmt: skip
        User.objects.filter(pk=alice.pk).update(**changes[who])

        send(event(1, username="o", email="" if who == "no address" else "alice@example.org"))

        alice.refresh_from_db()
        assert alice.wordpress_id == (5 if who == "linked" else None)
        assert User.objects.filter(wordpress_id=37).exists()

    def test_a_link_that_would_be_a_conflict_is_left_to_staff(self, site, settings):
        settings.LINK_BY_EMAIL = True
        alice, _ = make.member("alice"), make.member("bob")

        answer = send(event(1, username="bob", email="alice@example.org"))

        alice.refresh_from_db()
        assert answer.json() == {"status": "conflict"}
        assert (alice.status, alice.wordpress_id) == ("active", None)
