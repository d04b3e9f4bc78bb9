"""An upstream's credential goes in and never comes out: not in an answer, a list, an error, an
event, a line of the log, a page of the admin, nor in clear in the database (AUTH-11, LOG-01)."""

import json

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client

from events.models import Event
from proxy.masking import masked
from proxy.models import Target, TargetCredential, Upstream
from proxy.services import upstreams
from tests import make
from tests.admin.pages import change, changelist
from tests.apikeys.calls import client
from tests.apikeys.sessions import session, staff
from tests.proxy.calls import MASKED, NEW, OTHER, SECRET, UPSTREAMS, A, B, tables_with

pytestmark = pytest.mark.django_db
LLM = f"{UPSTREAMS}/llm"
BASIC = "someone:correct-horse-battery-staple"
PARTS = (SECRET[8:], OTHER[8:], BASIC.partition(":")[2])


@pytest.mark.parametrize(
    ("credential", "shown"),
    [
        (SECRET, MASKED), ("gsk_0123456789abcdefWXYZ", "gsk_***WXYZ"),
        ("0123456789abcdefWXYZ", "***WXYZ"), ("muser_0123456789abcdefWXYZ", "***WXYZ"),
        ("0123456789abWXYZ", "***WXYZ"), ("sk-0123456789ab", "****"), ("x", "****"), ("", "****"),
        ("administrator:hunter2", "****"), (BASIC, "***aple"), ("a:b:0123456789abWXYZ", "***WXYZ"),
        ("0123456789abcdefWXYZ:", "****"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_shown_of_a_credential(credential, shown):
    assert masked(credential) == shown


def bodies():
    """Writes that are taken, and refused in many ways, each with a credential."""
    given = [{"base_url": A, "api_key": SECRET}]
    yield NEW
    yield NEW
    yield NEW | {"slug": "a b"}
    yield NEW | {"slug": "hosted", "injection_name": "Host"}
    yield NEW | {"slug": "twice", "targets": given * 2}
    yield NEW | {"slug": "metadata", "targets": [given[0] | {"base_url": "http://169.254.169.254"}]}
    yield NEW | {"slug": "user", "targets": [given[0] | {"base_url": f"http://a:{SECRET}@a.test"}]}
    yield NEW | {"slug": "broken", "targets": [given[0] | {"api_key": f"{SECRET}\r\nX: y"}]}
    yield NEW | {"slug": "long", "targets": [given[0] | {"api_key": SECRET * 200}]}
    yield NEW | {"slug": "list", "targets": [given[0] | {"api_key": [SECRET]}]}
    yield NEW | {"slug": "misnamed", "targets": [{"base_url": A, "apikey": SECRET}]}
    yield {"slug": "basic", "name": "B", "injection": "basic",
           "targets": [{"base_url": B, "api_key": BASIC}]}  # fmt: skip


def test_no_answer_tells_a_credential_and_the_database_holds_none(admin_api):
    answers = [admin_api.post(UPSTREAMS, body) for body in bodies()]
    answers += [
        admin_api.get(UPSTREAMS), admin_api.get(LLM), admin_api.options(LLM),
        admin_api.patch(LLM, {"targets": [{"base_url": A, "api_key": OTHER}]}),
        admin_api.patch(LLM, {"targets": [{"base_url": A, "weight": 7}]}),
        admin_api.put(LLM, {"name": "x", "targets": [{"base_url": A, "api_key": OTHER}]}),
        admin_api.post(UPSTREAMS, NEW | {"slug": "again"}, HTTP_IDEMPOTENCY_KEY="k"),
        admin_api.post(UPSTREAMS, NEW | {"slug": "again"}, HTTP_IDEMPOTENCY_KEY="k"),
    ]  # fmt: skip
    texts = [answer.content.decode() for answer in answers]
    events = [event.details for event in Event.objects.all() if event.details]

    statuses = [answer.status_code for answer in answers]
    assert statuses[:12] == [201, 409, 422, 422, 422, 422, 422, 422, 422, 422, 422, 201]
    assert len(events) > 4
    for part in PARTS:
        assert [text for text in (*texts, *events) if part in text] == []
        assert tables_with(part) == []
    assert make.secrets_of(Target.objects.get(upstream__slug="llm")) == [OTHER]
    envelopes = TargetCredential.objects.values_list("secret", flat=True)
    assert envelopes
    assert [text for text in texts for sealed in envelopes if str(sealed) in text] == []


def test_what_a_list_shows(admin_api):
    for body in bodies():
        admin_api.post(UPSTREAMS, body)

    found = {
        row["slug"]: [target["api_key_masked"] for target in row["targets"]]
        for row in admin_api.get(UPSTREAMS).json()["results"]
    }

    assert found == {"llm": [MASKED], "basic": ["***aple"]}


@pytest.mark.parametrize("envelope", ["m1.a.b", "x", ""])
def test_a_credential_that_does_not_open_is_shown_as_one_and_can_be_mended(admin_api, envelope):
    """Its key was lost, or a writer in the database altered it: the rest goes on (ENC-06)."""
    admin_api.post(UPSTREAMS, NEW)
    admin_api.post(UPSTREAMS, NEW | {"slug": "other"})
    alter("UPDATE proxy_targetcredential SET secret = %s WHERE target_id = (SELECT t.id FROM"
          " proxy_target t JOIN proxy_upstream u ON u.id = upstream_id WHERE slug = 'llm')",
          envelope)  # fmt: skip

    listed = admin_api.get(UPSTREAMS)
    lighter = admin_api.patch(LLM, {"targets": [{"base_url": A, "weight": 2}]})
    mended = admin_api.patch(LLM, {"targets": [{"base_url": A, "api_key": SECRET}]})

    masks = {row["slug"]: row["targets"][0]["api_key_masked"] for row in listed.json()["results"]}
    assert masks == {"llm": "****", "other": MASKED}
    assert lighter.json()["targets"][0]["api_key_masked"] == "****"
    assert mended.json()["targets"][0]["api_key_masked"] == MASKED


def test_a_credential_moved_to_another_target_does_not_open(admin_api):
    admin_api.post(UPSTREAMS, NEW)
    mine = {"slug": "mine", "name": "M", "targets": [{"base_url": B, "api_key": OTHER}]}
    admin_api.post(UPSTREAMS, mine)

    alter("UPDATE proxy_targetcredential SET secret = (SELECT secret FROM proxy_targetcredential"
          " c JOIN proxy_target t ON t.id = target_id WHERE base_url = %s)", A)  # fmt: skip

    mine = admin_api.get(f"{UPSTREAMS}/mine").json()
    assert mine["targets"][0]["api_key_masked"] == "****"


def alter(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_neither_the_log_nor_a_traceback_tells_it(admin_api, caplog, monkeypatch):
    """Also when a defect of ours meets a write and prints what it was given."""

    def defect(*given, **named):
        raise RuntimeError(f"with {given!r} and {named!r}")

    monkeypatch.setattr(upstreams, "replace_targets", defect)

    answer = admin_api.post(UPSTREAMS, NEW)

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "RuntimeError" in caplog.text
    assert A in caplog.text
    assert SECRET[8:] not in caplog.text + answer.content.decode()


def test_no_page_of_the_admin_tells_it(admin_api):
    admin_api.post(UPSTREAMS, NEW)
    llm = Upstream.objects.get()
    root = Client()
    root.force_login(staff("root", is_superuser=True))

    pages = [root.get(url) for url in (changelist(Upstream), change(Upstream, llm.pk))]
    events = [root.get(change(Event, row.pk)) for row in Event.objects.all()]

    assert [page.status_code for page in (*pages, *events)] == [200, 200, 200]
    assert [page for page in (*pages, *events) if SECRET[8:] in page.content.decode()] == []


def test_whoever_may_only_read_is_told_no_more(admin_api):
    admin_api.post(UPSTREAMS, NEW)
    reader = make.service_key("metrics")
    reader.key.scopes = ["upstreams:read"]
    reader.key.save(update_fields=["scopes"])
    viewer = staff("viewer")
    viewer.user_permissions.set(Permission.objects.filter(codename="view_upstream"))

    texts = [
        caller.get(path).content.decode()
        for caller in (client(reader.secret), session(viewer))
        for path in (UPSTREAMS, LLM)
    ]

    assert all(MASKED in text for text in texts)
    assert not [text for text in texts if SECRET[8:] in text]
    assert json.loads(texts[1]) == json.loads(texts[3])
