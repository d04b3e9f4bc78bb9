"""The plugin's outbox against a momentry that is away, slow, or says no."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx2
import pytest

from tests.gateway.wire import within
from tests.wordpress.conftest import OTHER, SECRET
from tests.wordpress.installation import USER_PASSWORD
from tests.wordpress.peer import Peer

pytestmark = pytest.mark.slow
ROW = "SELECT tries, next_at, last_status FROM wp_momentry_outbox WHERE done = 0"


class Attempt(NamedTuple):
    """How long the event may be said to wait: from the end, and from the beginning, of the try."""

    tries: int
    least: int
    most: int


def attempt(wordpress, act) -> Attempt:
    began = int(time.time())
    act()
    ended = int(time.time()) + 1
    tries, next_at, _ = (int(word) for word in wordpress.sql(ROW).split())
    return Attempt(tries, next_at - ended, next_at - began)


def error_of(wordpress) -> str:
    text: str = wordpress.eval("get_option( 'momentry_last_error' )")["text"]
    return text


def test_while_momentry_is_away_registrations_go_on_and_arrive_later_in_order(wordpress, peer):
    port = peer.server_address[1]
    peer.stop()
    users = [wordpress.register(f"away{n}") for n in range(3)]
    wordpress.rest("POST", f"users/{users[0]}", email="moved@example.org")
    assert wordpress.waiting() == 4

    back = Peer(SECRET, port=port)
    try:
        wordpress.make_due()
        wordpress.minute()
        told = [(each.user["id"], each.user["email"]) for each in back.told]
    finally:
        back.stop()

    assert sorted(told) == sorted(
        [(user, f"away{n}@example.org") for n, user in enumerate(users)]
        + [(users[0], "moved@example.org")]
    )
    assert [email for user, email in told if user == users[0]] == [
        "away0@example.org", "moved@example.org",
    ]  # fmt: skip
    assert wordpress.waiting() == 0


def test_a_503_waits_30_seconds_then_60_and_its_retry_after_counts(wordpress, peer):
    peer.statuses.extend([503, 503, 503])
    first = attempt(wordpress, lambda: wordpress.register("wait1"))
    wordpress.make_due()
    second = attempt(wordpress, wordpress.minute)
    peer.fields["Retry-After"] = "900"
    wordpress.make_due()
    third = attempt(wordpress, wordpress.minute)

    assert (first.tries, second.tries, third.tries) == (1, 2, 3)
    assert first.least <= 30 <= first.most
    assert second.least <= 60 <= second.most
    assert third.least <= 900 <= third.most
    assert len({told.event_id for told in peer.told}) == 1
    assert len({told.raw for told in peer.told}) == 1
    assert [told.headers["webhook-attempt"] for told in peer.told] == ["1", "2", "3"]


def test_the_pause_never_exceeds_an_hour(wordpress, peer):
    peer.statuses.append(503)
    wordpress.register("wait2")
    wordpress.sql("UPDATE wp_momentry_outbox SET tries = 40, next_at = 0 WHERE done = 0")
    peer.statuses.append(503)
    peer.fields["Retry-After"] = "999999"

    tried = attempt(wordpress, wordpress.minute)

    assert tried.tries == 41
    assert tried.least <= 3600 <= tried.most


@pytest.mark.parametrize("status", [200, 202, 204, 400, 410, 422])
def test_an_answer_that_is_final_ends_the_event(wordpress, peer, status):
    peer.statuses.append(status)

    wordpress.register(f"final{status}")

    assert (len(peer.told), wordpress.waiting()) == (1, 0)
    dropped = wordpress.eval("(int) get_option( 'momentry_dropped', 0 )")
    assert dropped == (0 if status < 300 else 1)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 409, 429, 500, 503])
def test_every_other_answer_keeps_it(wordpress, peer, status):
    peer.statuses.append(status)

    wordpress.register(f"kept{status}")

    assert (len(peer.told), wordpress.waiting()) == (1, 1)


def test_one_event_that_fails_holds_up_only_its_own_user(wordpress, peer):
    peer.statuses.append(500)
    stuck = wordpress.register("stuck")
    wordpress.rest("POST", f"users/{stuck}", email="later@example.org")
    other = wordpress.register("other")

    assert [told.user["id"] for told in peer.told] == [stuck, other]
    wordpress.make_due()
    wordpress.minute()
    assert [told.user["email"] for told in peer.of(stuck)] == [
        "stuck@example.org", "stuck@example.org", "later@example.org",
    ]  # fmt: skip


def test_once_momentry_answers_what_waited_for_it_waits_no_longer(wordpress, peer):
    peer.statuses.append(503)
    first = wordpress.register("outage1")
    wordpress.sql("UPDATE wp_momentry_outbox SET next_at = next_at + 3000 WHERE done = 0")
    second = wordpress.register("outage2")  # momentry rests: nobody's request waits for it
    assert [told.user["id"] for told in peer.told] == [first]

    wordpress.minute()

    assert [told.user["id"] for told in peer.told] == [first, second, first]
    assert (wordpress.waiting(), wordpress.eval("get_option( 'momentry_last_error' )")) == (
        0,
        False,
    )


def test_a_momentry_that_is_too_slow_gets_the_same_event_again(wordpress, peer):
    peer.delay = 5.5
    wordpress.register("slow1")
    peer.delay = 0
    wordpress.make_due()
    wordpress.minute()

    assert len(peer.told) == 2
    assert len({told.event_id for told in peer.told}) == 1


def test_a_wrong_secret_is_told_and_loses_nothing(wordpress, peer):
    wordpress.connect(peer.url, OTHER)
    wordpress.register("wrong1")
    assert (len(peer.forged), peer.told, wordpress.waiting()) == (1, [], 1)
    assert "told_401" in error_of(wordpress)

    wordpress.connect(peer.url, SECRET, OTHER)
    wordpress.make_due()
    wordpress.minute()

    assert (len(peer.told), wordpress.waiting()) == (1, 0)


def test_while_secrets_are_exchanged_both_sign(wordpress, peer):
    wordpress.connect(peer.url, OTHER, SECRET)

    wordpress.register("two1")

    signatures = peer.told[0].headers["webhook-signature"].split()
    assert [signature[:3] for signature in signatures] == ["v1,", "v1,"]
    assert len(set(signatures)) == 2


def test_thirty_registrations_six_at_a_time_arrive_once_each(wordpress, peer):
    def register(number: int) -> int:
        with httpx2.Client(timeout=60) as client:
            answer = client.post(
                f"http://127.0.0.1:{wordpress.ports[number % 3]}/wp-json/wp/v2/users",
                json={"username": f"many{number}", "email": f"many{number}@example.org",
                      "password": USER_PASSWORD},
                auth=("root", wordpress.application_password),
            )  # fmt: skip
            assert answer.status_code == 201, answer.text
            return int(answer.json()["id"])

    with ThreadPoolExecutor(6) as pool:
        users = list(pool.map(register, range(30)))

    assert within(10, lambda: wordpress.waiting() == 0), wordpress.sql(ROW)
    assert sorted(told.user["id"] for told in peer.told) == sorted(users)
    assert len({told.event_id for told in peer.told}) == 30


def test_changes_of_one_user_at_once_end_with_the_newest_picture(wordpress, peer):
    user = wordpress.register("race1")

    def rename(number: int) -> None:
        with httpx2.Client(timeout=60) as client:
            client.post(
                f"http://127.0.0.1:{wordpress.ports[number % 3]}/wp-json/wp/v2/users/{user}",
                json={"first_name": f"name {number}"},
                auth=("root", wordpress.application_password),
            )

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(rename, range(12)))
    assert within(10, lambda: wordpress.waiting() == 0)

    told = peer.of(user)
    newest = max(told, key=lambda each: each.body["sequence"])
    kept = wordpress.rest("GET", f"users/{user}?context=edit").json()["first_name"]
    assert newest.user["first_name"] == kept
    sequences = [each.body["sequence"] for each in told]
    assert sequences == sorted(sequences)


def test_what_another_request_wrote_meanwhile_is_in_the_picture(wordpress, peer):
    user = wordpress.register("race2")
    name = wordpress.eval(f"Momentry\\Provisioning\\lock_name( 'u{user}' )")
    waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'"

    with ThreadPoolExecutor(1) as pool:
        with wordpress.session(f"SELECT GET_LOCK('{name}', 0); SELECT SLEEP(60)"):
            assert within(10, lambda: wordpress.sql(f"SELECT IS_USED_LOCK('{name}')") != "NULL")
            path, given = f"users/{user}", {"first_name": "older"}
            request = pool.submit(wordpress.rest, "POST", path, **given)
            assert within(4, lambda: wordpress.sql(waits) == "1")
            wordpress.sql(
                "UPDATE wp_usermeta SET meta_value = 'newer'"
                f" WHERE user_id = {user} AND meta_key = 'first_name'"
            )
        assert request.result().status_code == 200

    assert within(10, lambda: len(peer.of(user)) == 2)
    assert peer.of(user)[-1].user["first_name"] == "newer"


def test_a_second_sender_sends_nothing_while_the_first_is_at_it(wordpress, peer):
    peer.statuses.append(500)
    wordpress.register("lock1")
    wordpress.make_due()
    name = wordpress.eval("Momentry\\Provisioning\\lock_name( 'send' )")

    with wordpress.session(f"SELECT GET_LOCK('{name}', 0); SELECT SLEEP(60)"):
        assert within(10, lambda: wordpress.sql(f"SELECT IS_USED_LOCK('{name}')") != "NULL")
        wordpress.minute()
        assert (len(peer.told), wordpress.waiting()) == (1, 1)
    assert within(10, lambda: wordpress.sql(f"SELECT IS_USED_LOCK('{name}')") == "NULL")
    wordpress.minute()

    assert (len(peer.told), wordpress.waiting()) == (2, 0)


def test_sequences_go_on_above_the_old_ones_after_a_restored_database(wordpress, peer):
    user = wordpress.register("restored")
    before = peer.of(user)[-1].body["sequence"]
    wordpress.sql("DELETE FROM wp_momentry_outbox")
    wordpress.sql("ALTER TABLE wp_momentry_outbox AUTO_INCREMENT = 1")

    wordpress.eval("Momentry\\Provisioning\\backfill_start()")
    wordpress.minute()

    assert peer.of(user)[-1].body["sequence"] > before


def test_wp_cron_sends_what_waits(wordpress, peer):
    peer.statuses.append(503)
    wordpress.register("cron1")
    wordpress.make_due()
    wordpress.eval("_set_cron_array( array() )")
    wordpress.eval("wp_schedule_event( time() - 5, 'momentry_minute', 'momentry_minute' )")

    wordpress.client.get("/wp-cron.php?doing_wp_cron")

    assert within(15, lambda: wordpress.waiting() == 0)
