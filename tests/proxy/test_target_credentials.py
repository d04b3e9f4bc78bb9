"""/api/v1/admin/upstreams/{slug}/targets/{id}/credentials: added, switched and taken away one by
one; the ``api_key`` of a target stands for all of them."""

import json
import uuid

import pytest
from django.db import connection

from apikeys.models import ApiKey
from events.models import Event
from momentry.common.crypto.generate import generate
from momentry.common.crypto.keyring import KeyRing
from momentry.common.crypto.rotation import columns
from proxy.models import Target, TargetCredential
from tests import make
from tests.apikeys.calls import client, pointers
from tests.apikeys.sessions import session, staff
from tests.proxy.calls import MASKED, NEW, OTHER, SECRET, UPSTREAMS, A, B, tables_with, targets

pytestmark = pytest.mark.django_db
LLM = f"{UPSTREAMS}/llm"
LOST = generate("encryption-key")


@pytest.fixture
def place(admin_api):
    """Of a target that has one credential."""
    made = admin_api.post(UPSTREAMS, NEW).json()
    return f"{LLM}/targets/{made['targets'][0]['id']}/credentials"


def shown(admin_api):
    (target,) = admin_api.get(LLM).json()["targets"]
    found = [(one["api_key_masked"], one["label"], one["is_active"])
             for one in target["credentials"]]  # fmt: skip
    return target["api_key_masked"], found


def secrets():
    return make.secrets_of(Target.objects.get())


def test_a_second_is_added_and_the_first_switched_off_and_taken_away(admin_api, place):
    added = admin_api.post(place, {"api_key": OTHER, "label": "new"})
    both = shown(admin_api)
    (first, _) = admin_api.get(LLM).json()["targets"][0]["credentials"]
    off = admin_api.patch(f"{place}/{first['id']}", {"is_active": False, "label": "old"})
    then = shown(admin_api)
    gone = admin_api.delete(f"{place}/{first['id']}")

    assert (added.status_code, off.status_code, gone.status_code) == (201, 200, 204)
    assert added.json().keys() == {"id", "api_key_masked", "label", "is_active", "created_at"}
    assert both == (MASKED, [(MASKED, "", True), ("sk-***6qLt", "new", True)])
    assert off.json() == first | {"is_active": False, "label": "old"}
    assert then == ("sk-***6qLt", [(MASKED, "old", False), ("sk-***6qLt", "new", True)])
    assert secrets() == [OTHER]
    assert admin_api.get(LLM).json()["version"] == 4


def test_the_key_of_a_target_replaces_all_and_null_ends_all(admin_api, place):
    admin_api.post(place, {"api_key": OTHER})
    kept = admin_api.patch(LLM, {"targets": [{"base_url": A, "weight": 2}]})
    replaced = admin_api.patch(LLM, {"targets": [{"base_url": A, "api_key": SECRET}]})
    admin_api.post(place, {"api_key": OTHER})
    ended = admin_api.patch(LLM, {"targets": [{"base_url": A, "api_key": None}]})

    assert [len(targets(answer)[A]["credentials"]) for answer in (kept, replaced, ended)] == [
        2,
        1,
        0,
    ]
    assert targets(replaced)[A]["api_key_masked"] == MASKED
    assert targets(ended)[A]["api_key_masked"] is None
    assert secrets() == []


def test_none_follows_to_another_address(admin_api, place):
    admin_api.post(place, {"api_key": OTHER})

    moved = admin_api.patch(LLM, {"targets": [{"base_url": "http://evil.test"}]})

    assert targets(moved)["http://evil.test"]["credentials"] == []
    assert not TargetCredential.objects.exists()


def test_no_answer_event_or_table_tells_one(admin_api, place):
    bodies = [
        {"api_key": OTHER}, {"api_key": OTHER, "label": "x" * 61}, {"api_key": f"{OTHER}\r\nA: b"},
        {"api_key": [OTHER]}, {"api_key": OTHER, "secret": OTHER}, {"apikey": OTHER},
        {"api_key": OTHER, "is_active": OTHER},
    ]  # fmt: skip
    answers = [admin_api.post(place, body) for body in bodies]
    row = f"{place}/{answers[0].json()['id']}"
    answers += [
        admin_api.patch(row, {"label": "renamed"}), admin_api.patch(row, {"api_key": OTHER}),
        admin_api.get(UPSTREAMS), admin_api.get(LLM),
        admin_api.options(place), admin_api.get(place),
        admin_api.post(place, {"api_key": OTHER, "label": "b"}, HTTP_IDEMPOTENCY_KEY="k"),
        admin_api.post(place, {"api_key": OTHER, "label": "b"}, HTTP_IDEMPOTENCY_KEY="k"),
        admin_api.delete(row),
    ]  # fmt: skip
    events = [json.loads(row.details) for row in Event.objects.order_by("id")]

    assert [answer.status_code for answer in answers[:7]] == [201, *[422] * 6]
    assert [pointers(answer) for answer in answers[1:4]] == [
        ["#/label"], ["#/api_key"], ["#/api_key"],
    ]  # fmt: skip
    assert pointers(answers[8]) == ["#/api_key"]
    assert answers[-3].json() == answers[-2].json()
    assert [
        text for text in map(bytes.decode, (a.content for a in answers)) if OTHER[8:] in text
    ] == []
    sides = [(event["before"], event["after"]) for event in events[1:]]
    labels = [[[row["label"] for row in side["credentials"]] for side in pair] for pair in sides]
    assert labels == [[[], [""]], [[""], ["renamed"]], [[], ["b"]], [["renamed"], []]]
    assert OTHER[8:] not in str(events)
    assert tables_with(OTHER[8:]) == []
    assert secrets() == [SECRET, OTHER]


def test_what_is_not_there_is_not_found_and_changes_nothing(admin_api, place):
    admin_api.post(
        UPSTREAMS, NEW | {"slug": "other", "targets": [{"base_url": B, "api_key": OTHER}]}
    )
    (foreign,) = admin_api.get(f"{UPSTREAMS}/other").json()["targets"]
    own, theirs = TargetCredential.objects.order_by("created_at")
    strange = uuid.uuid4()
    rows = [
        f"{place}/{theirs.pk}", f"{place}/{strange}",
        f"{LLM}/targets/{strange}/credentials/{own.pk}",
        f"{LLM}/targets/{foreign['id']}/credentials/{theirs.pk}",
        f"{UPSTREAMS}/none/targets/{foreign['id']}/credentials/{theirs.pk}",
    ]  # fmt: skip
    lists = [f"{LLM}/targets/{foreign['id']}/credentials", f"{LLM}/targets/{strange}/credentials"]

    answers = [admin_api.patch(row, {"is_active": False}) for row in rows]
    answers += [admin_api.delete(row) for row in rows]
    answers += [admin_api.post(one, {"api_key": OTHER}) for one in lists]

    assert {answer.status_code for answer in answers} == {404}
    assert TargetCredential.objects.filter(is_active=True).count() == 2


def test_a_change_of_nothing_is_none_and_ten_are_enough(admin_api, place):
    row = f"{place}/{TargetCredential.objects.get().pk}"
    same = admin_api.patch(row, {"label": "", "is_active": True})
    made = [admin_api.post(place, {"api_key": OTHER}) for _ in range(10)]

    assert (same.status_code, admin_api.get(LLM).json()["version"]) == (200, 10)
    assert [answer.status_code for answer in made] == [*[201] * 9, 409]


def test_if_match_guards_against_anothers_change(admin_api, place):
    row = f"{place}/{TargetCredential.objects.get().pk}"
    stale = {"HTTP_IF_MATCH": '"7"'}

    answers = [
        admin_api.post(place, {"api_key": OTHER}, **stale), admin_api.delete(row, **stale),
        admin_api.patch(row, {"is_active": False}, **stale),
    ]  # fmt: skip

    assert [answer.json()["code"] for answer in answers] == ["precondition_failed"] * 3
    assert admin_api.delete(row, HTTP_IF_MATCH='"1"').status_code == 204


def test_whoever_may_only_read_writes_none(admin_api, place):
    reader = make.service_key("issuer")
    ApiKey.objects.filter(pk=reader.key.pk).update(scopes=["upstreams:read"])
    row = f"{place}/{TargetCredential.objects.get().pk}"

    answers = [
        answer
        for caller in (client(reader.secret), session(staff("viewer")))
        for answer in (
            caller.post(place, {"api_key": OTHER}), caller.patch(row, {"is_active": False}),
            caller.delete(row),
        )
    ]  # fmt: skip

    assert [answer.status_code for answer in answers] == [403] * 6
    assert shown(admin_api) == (MASKED, [(MASKED, "", True)])


def test_one_whose_key_was_lost_leaves_the_rest_alone(admin_api, place):
    """The others open, and it can be named, switched off and taken away (ENC-06)."""
    admin_api.post(place, {"api_key": OTHER})
    first = TargetCredential.objects.earliest("created_at")
    lost = KeyRing.from_text(LOST).seal(
        SECRET, table="proxy_targetcredential", column="secret", row_id=first.pk
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE proxy_targetcredential SET secret = %s WHERE id = %s", [str(lost), first.pk]
        )

    listed = shown(admin_api)
    named = admin_api.patch(f"{place}/{first.pk}", {"is_active": False, "label": "lost"})
    gone = admin_api.delete(f"{place}/{first.pk}")

    assert listed == ("****", [("****", "", True), ("sk-***6qLt", "", True)])
    assert (named.status_code, named.json()["api_key_masked"]) == (200, "****")
    assert (gone.status_code, shown(admin_api)[0]) == (204, "sk-***6qLt")


def test_rotating_the_ring_seals_them_anew(admin_api, place):
    assert "proxy_targetcredential.secret" in map(str, columns())
