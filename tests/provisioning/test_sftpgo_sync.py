"""One account brought to its state, over a real socket, whatever the stand-in has and does."""

from time import monotonic

import pytest

from provisioning.sftpgo.client import Blame, Sftpgo, SftpgoError
from provisioning.sftpgo.desired import Desired, owner_of
from provisioning.sftpgo.sync import bring
from tests.provisioning.sftpgo import API_KEY, StandIn, serving
from tests.provisioning.sftpgo_settings import configured

OWNER = "01930000-0000-7000-8000-000000000001"
ALICE = Desired("alice", "/data/alice", 1, "alice@example.org", 10 * 1024**3, OWNER)
SUSPENDED = ALICE._replace(status=0)


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture
def sftpgo(stand_in):
    with serving(stand_in) as url:
        yield Sftpgo(configured(url))


def bring_now(sftpgo, desired):
    bring(sftpgo, desired, monotonic() + 60)


def blame(sftpgo, desired=ALICE):
    with pytest.raises(SftpgoError) as caught:
        bring_now(sftpgo, desired)
    return caught.value.blame


def test_a_new_account_has_its_home_quota_and_owner(sftpgo, stand_in):
    bring_now(sftpgo, ALICE)

    made = stand_in.users["alice"]
    assert (made["home_dir"], made["status"]) == ("/data/alice", 1)
    assert (made["quota_size"], made["email"]) == (10 * 1024**3, "alice@example.org")
    assert made["permissions"] == {"/": ["*"]}
    assert owner_of(made) == OWNER
    assert stand_in.passwords == {}


def test_again_changes_nothing(sftpgo, stand_in):
    bring_now(sftpgo, ALICE)
    bring_now(sftpgo, ALICE)

    assert stand_in.changes() == ["POST"]


def test_a_change_keeps_all_that_staff_set_there(sftpgo, stand_in):
    bring_now(sftpgo, ALICE)
    own = {"filters": {"denied_ip": ["192.0.2.0/24"]}, "description": "VIP", "max_sessions": 3,
           "expiration_date": 1_800_000_000_000, "permissions": {"/": ["*"], "/ro": ["list"]},
           "virtual_folders": [{"name": "shared"}], "quota_files": 7}  # fmt: skip
    info = "since 2019\n" + stand_in.users["alice"]["additional_info"]
    stand_in.users["alice"].update(own, additional_info=info)

    bring_now(sftpgo, ALICE._replace(quota_size=5, email="new@example.org"))

    after = stand_in.users["alice"]
    assert {name: after[name] for name in own} == own
    assert (after["additional_info"], after["home_dir"]) == (info, "/data/alice")
    assert (after["quota_size"], after["email"]) == (5, "new@example.org")
    assert stand_in.disconnected == []


def test_a_suspension_disables_and_cuts_off_each_time(sftpgo, stand_in):
    bring_now(sftpgo, ALICE)
    bring_now(sftpgo, SUSPENDED)
    bring_now(sftpgo, SUSPENDED)

    assert stand_in.users["alice"]["status"] == 0
    assert stand_in.disconnected == ["alice", "alice"]

    bring_now(sftpgo, ALICE)
    assert stand_in.users["alice"]["status"] == 1
    assert stand_in.users["alice"]["quota_size"] == 10 * 1024**3


def test_a_purge_removes_ours_only_and_twice_is_once(sftpgo, stand_in):
    bring_now(sftpgo, ALICE)
    stand_in.add("bob")
    gone = ALICE._replace(is_gone=True)

    bring_now(sftpgo, gone)
    bring_now(sftpgo, gone)
    bring_now(sftpgo, gone._replace(username="bob"))

    assert list(stand_in.users) == ["bob"]


def test_an_account_of_somebody_else_is_left_alone(sftpgo, stand_in):
    before = dict(stand_in.add("alice", additional_info="momentry:" + OWNER[:-1] + "2"))

    assert blame(sftpgo) is Blame.REQUEST
    assert {name: stand_in.users["alice"][name] for name in before} == before


def test_an_adopted_account_is_taken_in_the_home_that_was_seen_only(sftpgo, stand_in):
    stand_in.add("alice", home_dir="/srv/old", additional_info="since 2019")
    adopted = ALICE._replace(is_adopted=True)

    assert blame(sftpgo, adopted) is Blame.REQUEST
    bring_now(sftpgo, adopted._replace(home_dir="/srv/old"))

    taken = stand_in.users["alice"]
    assert (taken["home_dir"], owner_of(taken)) == ("/srv/old", OWNER)
    assert taken["additional_info"].startswith("since 2019\n")


def test_an_adopted_name_may_have_any_letters(sftpgo, stand_in):
    name = "First Last 100% #1 \u00e9"
    stand_in.add(name, home_dir="/srv/old")

    bring_now(sftpgo, ALICE._replace(username=name, home_dir="/srv/old", is_adopted=True))

    assert owner_of(stand_in.users[name]) == OWNER


def test_a_creation_whose_answer_was_lost_is_found_again(sftpgo, stand_in):
    stand_in.trouble = lambda method, _: "lost" if method == "POST" else ""
    assert blame(sftpgo) in (Blame.SYSTEM, Blame.ATTEMPT)
    stand_in.trouble = lambda *_: ""

    bring_now(sftpgo, ALICE)

    assert stand_in.changes() == ["POST"]


def test_one_that_came_in_between_is_adopted_when_it_is_ours(sftpgo, stand_in):
    def race(method, path):
        if method == "POST":
            stand_in.add("alice", additional_info=f"momentry:{OWNER}", home_dir="/data/alice")
        return ""

    stand_in.trouble = race
    bring_now(sftpgo, ALICE)

    assert stand_in.changes() == ["POST", "PUT"]
    assert stand_in.users["alice"]["quota_size"] == ALICE.quota_size


def test_a_token_that_ended_is_renewed_and_shared(sftpgo, stand_in):
    bring_now(sftpgo, ALICE)
    bring_now(sftpgo, SUSPENDED)
    assert stand_in.log_ins == 1

    stand_in.expire_tokens()
    bring_now(sftpgo, ALICE)

    assert (stand_in.log_ins, stand_in.users["alice"]["status"]) == (2, 1)


def test_a_token_is_renewed_before_its_end(sftpgo, stand_in):
    bring_now(sftpgo, ALICE)
    sftpgo.token_end = monotonic()

    bring_now(sftpgo, SUSPENDED)

    assert stand_in.log_ins == 2
    assert [path for _, path in stand_in.requests].count("/api/v2/token") == 2


def test_an_api_key_needs_no_token(stand_in):
    with serving(stand_in) as url:
        bring_now(Sftpgo(configured(url, SFTPGO_API_KEY=API_KEY)), ALICE)

    assert "alice" in stand_in.users
    assert stand_in.log_ins == 0


@pytest.mark.parametrize("status", ["401", "408", "429", "502", "503", "504"])
def test_a_system_that_is_busy_or_shut_is_to_blame_itself(sftpgo, stand_in, status):
    stand_in.trouble = lambda _, path: "" if path.endswith("/token") else status

    assert blame(sftpgo) is Blame.SYSTEM


@pytest.mark.parametrize(
    ("status", "expected"),
    [("500", Blame.ATTEMPT), ("409", Blame.ATTEMPT), ("400", Blame.REQUEST),
     ("403", Blame.REQUEST), ("404", Blame.REQUEST), ("302", Blame.ATTEMPT)],
)  # fmt: skip
def test_other_answers_to_a_change_end_it_or_are_tried_again(sftpgo, stand_in, status, expected):
    bring_now(sftpgo, ALICE)
    stand_in.trouble = lambda method, _: status if method == "PUT" else ""

    assert blame(sftpgo, SUSPENDED) is expected


def test_a_wrong_password_is_no_members_fault_and_is_told_nowhere(stand_in):
    with serving(stand_in) as url:
        sftpgo = Sftpgo(configured(url, SFTPGO_ADMIN="momentry", SFTPGO_PASSWORD="hunter2hunter2"))
        with pytest.raises(SftpgoError) as caught:
            bring_now(sftpgo, ALICE)

    assert caught.value.blame is Blame.SYSTEM
    assert "hunter2" not in f"{caught.value!r} {caught.value} {sftpgo.config!r}"


def test_an_api_key_that_ended_is_no_members_fault(stand_in):
    with serving(stand_in) as url:
        assert blame(Sftpgo(configured(url, SFTPGO_API_KEY="apikeyid.ended"))) is Blame.SYSTEM


def test_nobody_there_is_the_systems_fault(stand_in):
    with serving(stand_in) as url:
        sftpgo = Sftpgo(configured(url))

    assert blame(sftpgo) is Blame.SYSTEM


def test_nothing_is_changed_when_the_time_is_up(sftpgo, stand_in):
    with pytest.raises(SftpgoError) as caught:
        bring(sftpgo, ALICE, monotonic() - 1)

    assert (caught.value.blame, stand_in.changes()) == (Blame.SYSTEM, [])


def test_accounts_come_page_by_page(sftpgo, stand_in):
    for number in range(1001):
        stand_in.add(f"user{number:04}")

    found = [account["username"] for account in sftpgo.accounts()]

    assert found == sorted(stand_in.users)
