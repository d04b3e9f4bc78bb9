"""Export and import of keys in the admin."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.admin.conftest import House, clerk
from tests.admin.pages import changelist
from tests.apikeys.calls import code
from tests.e2e.browser import Form

IMPORT = "/admin/apikeys/apikey/import_keys/"
EXPORTS = ["/admin/apikeys/apikey/export_csv/", "/admin/apikeys/apikey/export_json_lines/"]
SECRET = "sk-auto-0123456789abcdefghij"
SHA256 = "0a4e33b21ae3b22d0e4b8ad3c5b1f3d0b1b29f9a9e1e7f3f9b2a1c0d5e6f7a8b"
ENTRY = {"name": "Old <b>laptop</b>", "owner": "alice", "scopes": ["proxy:use"]}
GOOD = json.dumps({"keys": [ENTRY, {**ENTRY, "secret_hash": {"format": "sk-", "sha256": SHA256}}]})
BAD = GOOD.replace("proxy:use", "emperor")


@pytest.mark.parametrize("url", EXPORTS)
def test_whoever_sees_keys_may_export_them(url: str, house: House, viewer: Client) -> None:
    assert url in viewer.get(changelist(ApiKey)).content.decode()

    answer = viewer.get(url)

    text = b"".join(answer).decode()
    assert answer["Content-Disposition"].startswith("attachment")
    assert str(house.claimed.pk) in text
    assert house.secret not in text
    assert Event.objects.get(kind="apikey:exported").actor.startswith("staff:")


@pytest.mark.parametrize("url", EXPORTS)
def test_others_may_not(url: str, house: House) -> None:
    assert clerk("view_user").get(url).status_code == 403
    assert Client().get(url).status_code == 302


def test_an_import_is_tried_and_then_confirmed(house: House, root: Client) -> None:
    before = ApiKey.objects.count()
    assert IMPORT in root.get(changelist(ApiKey)).content.decode()
    assert root.get(IMPORT).status_code == 200

    tried = root.post(IMPORT, {"file": SimpleUploadedFile("keys.json", GOOD.encode())})

    assert "2 keys can be imported" in tried.content.decode()
    assert ApiKey.objects.count() == before
    assert "no-store" in tried["Cache-Control"]
    kept = Form(tried.content.decode()).fields
    done = root.post(IMPORT, {"text": kept["text"], "confirmed": kept["confirmed"]})

    assert done.status_code == 302
    assert ApiKey.objects.filter(name=ENTRY["name"]).count() == 2
    assert "<b>laptop</b>" not in root.get(changelist(ApiKey)).content.decode()


@pytest.mark.parametrize("confirmed", ["", "yes"])
def test_a_report_names_lines_and_imports_nothing(
    confirmed: str, house: House, root: Client
) -> None:
    before = ApiKey.objects.count()

    answer = root.post(IMPORT, {"text": BAD, "confirmed": confirmed})

    page = answer.content.decode()
    assert "line 1: keys[0].scopes[0]: is not one of" in page
    assert 'name="confirmed"' not in page
    assert SHA256 not in page or "textarea" in page
    assert ApiKey.objects.count() == before


@pytest.mark.parametrize(
    "text", ["", " ", "{", "[]", '{"keys": []}', "\x00", '{"keys": [{"name": "<script>"}], "x": 1}']
)
def test_what_is_no_such_file_is_a_page_not_a_crash(text: str, house: House, root: Client) -> None:
    before = ApiKey.objects.count()

    answer = root.post(IMPORT, {"text": text, "confirmed": "yes"})

    assert answer.status_code == 200
    assert '<script>"' not in answer.content.decode()
    assert ApiKey.objects.count() == before


def test_a_file_of_bytes_or_too_large_is_refused(house: House, root: Client) -> None:
    for data in (b"\xff\xfe{", b" " * (5 * 1024**2 + 1)):
        answer = root.post(IMPORT, {"file": SimpleUploadedFile("keys.json", data)})
        assert answer.status_code == 200
        assert "can be imported" not in answer.content.decode()


def test_only_superusers_import(house: House) -> None:
    client = clerk("view_apikey", "add_apikey", "change_apikey")

    assert IMPORT not in client.get(changelist(ApiKey)).content.decode()
    for method in (client.get, client.post):
        assert method(IMPORT, {"text": GOOD, "confirmed": "yes"}).status_code == 403


def test_an_import_needs_the_csrf_token(house: House) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make.staff())

    assert strict.post(IMPORT, {"text": GOOD, "confirmed": "yes"}).status_code == 403
    assert code(SECRET) == "invalid_key"
