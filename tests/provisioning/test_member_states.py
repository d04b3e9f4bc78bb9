"""pending → active ⇄ suspended → deleted → restored: each step, who may take it, what it says."""

import pytest
from django.db import transaction

from accounts.models import Status, User
from apikeys.models import ApiKey
from apikeys.services.keys import issue_secret
from events.models import Event, Mail
from momentry.common.errors import MomentryError
from provisioning.services import members
from tests import make
from tests.apikeys.calls import code
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db
STAFF = {"actor": "staff:1"}


def letters() -> list[str]:
    return list(Mail.objects.order_by("id").values_list("template", flat=True))


def kinds(member: User) -> list[str]:
    rows = Event.objects.filter(subject=f"member:{member.pk.hex}", kind__startswith="member:")
    return list(rows.order_by("id").values_list("kind", flat=True))


def status() -> tuple[str, str]:
    row = User.objects.get()
    return row.status, row.status_reason


def test_the_whole_life_of_a_member():
    alice = make.member()

    members.suspend_member(alice, reason="abuse", **STAFF)
    assert status() == ("suspended", "abuse")
    members.resume_member(alice, **STAFF)
    assert status() == ("active", "")
    members.delete_member(alice, **STAFF)
    assert status() == ("deleted", "")
    members.restore_member(alice, **STAFF)
    assert status() == ("active", "")

    steps = ["created", "suspended", "resumed", "deleted", "restored"]
    assert kinds(alice) == [f"member:{step}" for step in steps]
    assert letters() == ["welcome", "suspended", "resumed", "deleted", "welcome"]
    assert User.objects.get().version == 5


def test_keys_follow_the_member():
    alice = make.member()
    secret = make.key(alice).secret

    told = [code(secret)]
    members.suspend_member(alice, reason="", **STAFF)
    told.append(code(secret))
    members.resume_member(alice, **STAFF)
    told.append(code(secret))
    members.delete_member(alice, **STAFF)
    told.append(code(secret))
    fresh = members.restore_member(alice, **STAFF).key
    told.append(code(secret))

    assert told == ["", "member_suspended", "", "key_revoked", "key_revoked"]
    assert code(issue_secret(fresh)) == ""


@pytest.mark.parametrize("verb", ["suspend", "resume", "delete"])
def test_a_step_taken_again_changes_nothing_and_tells_nobody(verb):
    alice = make.member()
    given = {"reason": "abuse"} if verb == "suspend" else {}
    if verb == "resume":
        members.suspend_member(alice, reason="", **STAFF)
    step = getattr(members, f"{verb}_member")

    assert step(alice, **given, **STAFF) is True
    before = (letters(), kinds(alice), User.objects.get().version)
    assert step(alice, **given, **STAFF) is False

    assert (letters(), kinds(alice), User.objects.get().version) == before


ILLEGAL = [
    ("deleted", "suspend", "was deleted"),
    ("deleted", "resume", "was deleted"),
    ("deleted", "tier", "was deleted"),
    ("deleted", "profile", "was deleted"),
    ("deleted", "rename", "was deleted"),
    ("pending", "suspend", "is pending"),
    ("pending", "resume", "is pending"),
    ("active", "restore", "is not deleted"),
    ("suspended", "restore", "is not deleted"),
    ("pending", "restore", "is not deleted"),
]


@pytest.mark.parametrize(("state", "verb", "text"), ILLEGAL)
def test_a_step_that_leads_nowhere_is_a_conflict_and_changes_nothing(state, verb, text):
    make.member("alice")
    bob = in_state(state)
    before = Event.objects.count(), Mail.objects.count()

    with pytest.raises(MomentryError, match=text) as caught, transaction.atomic():
        take(verb, bob)

    assert caught.value.code.status == 409
    assert (Event.objects.count(), Mail.objects.count()) == before
    bob.refresh_from_db()
    assert bob.status == state


def in_state(state: str) -> User:
    bob = make.member("ALICE" if state == "pending" else "bob")
    if state == "suspended":
        members.suspend_member(bob, reason="", **STAFF)
    if state == "deleted":
        members.delete_member(bob, **STAFF)
    return bob


def take(verb: str, bob: User) -> None:
    profile = make.Profile("bobby", "bobby@example.org")
    steps = {
        "suspend": lambda: members.suspend_member(bob, reason="", **STAFF),
        "resume": lambda: members.resume_member(bob, **STAFF),
        "restore": lambda: members.restore_member(bob, **STAFF),
        "tier": lambda: members.change_tier(bob, "trial", **STAFF),
        "profile": lambda: members.update_profile(bob, profile, **STAFF),
        "rename": lambda: members.rename_member(bob, {"username": "bobby"}, **STAFF),
    }
    steps[verb]()


class TestWordPress:
    """It resumes only whom it suspended, and staff are asked first."""

    @pytest.fixture(autouse=True)
    def site(self):
        self.site = make.site()
        send(event(1))

    def test_staff_take_over_a_suspension_by_wordpress(self):
        send(event(2, "user.updated", status="suspended"))
        members.suspend_member(User.objects.get(), reason="abuse", **STAFF)

        send(event(3, "user.updated", status="active"))

        assert status() == ("suspended", "abuse")
        assert letters() == ["welcome", "suspended", "suspended"]

    def test_what_staff_give_as_the_reason_decides_nothing(self):
        reason = "suspended in WordPress"
        members.suspend_member(User.objects.get(), reason=reason, **STAFF)

        send(event(3, "user.updated", status="active"))

        assert status() == ("suspended", reason)

    def test_wordpress_takes_over_nothing_of_staff(self):
        members.suspend_member(User.objects.get(), reason="abuse", **STAFF)
        send(event(2, "user.updated", status="suspended"))

        send(event(3, "user.updated", status="active"))

        assert status() == ("suspended", "abuse")

    def test_staff_resume_whom_wordpress_suspended(self):
        send(event(2, "user.updated", status="suspended"))

        assert members.resume_member(User.objects.get(), **STAFF)

        assert status() == ("active", "")

    def test_a_conflict_in_between_does_not_end_a_suspension(self):
        make.member("bob")
        members.suspend_member(User.objects.get(username="alice"), reason="abuse", **STAFF)
        send(event(2, "user.updated", username="bob"))
        alice = User.objects.get(wordpress_id=37)
        assert (alice.status, alice.status_reason) == ("pending", "username in use")

        answer = send(event(3, "user.updated", username="alice"))

        alice.refresh_from_db()
        assert answer.json() == {"status": "applied"}
        assert (alice.status, alice.status_reason) == ("suspended", "abuse")

    def test_who_is_pending_and_suspended_there_is_suspended_once_resolved(self):
        send(event(1, id=38, email="other@example.org", status="suspended"))
        other = User.objects.get(wordpress_id=38)
        assert other.status == Status.PENDING

        members.rename_member(other, {"username": "other"}, **STAFF)

        other.refresh_from_db()
        assert (other.status, other.status_reason) == ("suspended", "suspended in WordPress")
        assert [letter.recipient for letter in Mail.objects.all()] == ["alice@example.org"]

    def test_a_late_event_of_a_deleted_member_is_no_error(self):
        members.delete_member(User.objects.get(), **STAFF)

        answers = [send(event(n, "user.updated", status=s)).json() for n, s in enumerate(
            ("suspended", "active", "deleted"), start=2)]  # fmt: skip

        assert answers == [{"status": "applied"}] * 3
        assert status() == ("deleted", "")


class TestRestoring:
    def test_a_name_taken_meanwhile_makes_it_pending_without_a_letter(self):
        alice = make.member("alice")
        members.delete_member(alice, **STAFF)
        make.member("Alice", email="new@example.org")
        before = letters()

        members.restore_member(alice, **STAFF)

        assert (alice.status, alice.status_reason) == ("pending", "username in use")
        assert letters() == before

    def test_a_suspension_from_before_holds(self):
        alice = make.member("alice")
        members.suspend_member(alice, reason="abuse", **STAFF)
        members.delete_member(alice, **STAFF)

        members.restore_member(alice, **STAFF)

        assert status() == ("suspended", "abuse")

    def test_the_link_in_the_letter_is_of_the_fresh_key(self):
        alice = make.member("alice")
        members.delete_member(alice, **STAFF)

        restored = members.restore_member(alice, **STAFF)

        letter = Mail.objects.filter(template="welcome").latest("created_at")
        assert letter.context["claim"] == restored.claim.pk.hex
        assert ApiKey.objects.filter(revoked_at=None).get() == restored.key


def test_every_step_tells_the_systems_behind(monkeypatch):
    wanted: list[str] = []
    monkeypatch.setattr("provisioning.services.tasks.want", lambda m: wanted.append(m.status))
    alice = make.member("alice")

    members.change_quota(alice, 5, **STAFF)
    members.change_tier(alice, "trial", **STAFF)
    members.update_profile(alice, make.Profile("alice", "a@example.org"), **STAFF)
    members.suspend_member(alice, reason="", **STAFF)
    members.resume_member(alice, **STAFF)
    members.delete_member(alice, **STAFF)
    members.restore_member(alice, **STAFF)

    assert wanted == ["active"] * 4 + ["suspended", "active", "deleted", "active"]
