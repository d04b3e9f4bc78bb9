"""A member's own page in WordPress: in a browser that is logged in, with the real momentry."""

import re

import httpx2
import pytest

from tests.wordpress.conftest import SECRET
from tests.wordpress.installation import USER_PASSWORD

pytestmark = pytest.mark.slow
BLOCK = "<!-- wp:momentry/account /-->"


def call(momentry, key: str) -> int:
    return httpx2.get(f"{momentry.url}/api/v1/me", headers={"X-API-Key": key}).status_code


def account_page(site, content: str = "[momentry_account]") -> str:
    """Its address."""
    made = (
        "wp_insert_post( array( 'post_type' => 'page', 'post_status' => 'publish',"
        f" 'post_title' => 'Account', 'post_content' => '{content}' ) )"
    )
    place: str = site.eval(f"get_permalink( {made} )")
    return place


def buttons(page: str) -> dict[str, dict[str, str]]:
    """The forms of a member's page, by what they do."""
    found = {}
    for part in re.findall(r"<form method=\"post\">.*?</form>", page, re.DOTALL):
        fields = dict(re.findall(r'name="(momentry_\w+)" value="([^"]*)"', part))
        found[fields["momentry_do"]] = fields
    return found


def new_key(page: str) -> str:
    return re.search(r"<code>(muser_\w+)</code></p></div>", page)[1]


def test_a_member_fetches_and_changes_the_key_on_a_page_of_wordpress(site, momentry):
    site.register("clara")
    cora = site.log_in("clara", USER_PASSWORD)
    place = account_page(site)
    first = cora.get(place)
    assert "no-store" in first.headers["Cache-Control"]
    assert "0 B of 10.0 GB used" in first.text
    claimed = cora.post(place, data=buttons(first.text)["claim"])
    key = new_key(claimed.text)
    assert call(momentry, key) == 200

    shown = cora.get(place).text
    assert key not in shown
    order = buttons(shown)["rotate"]
    rotated = new_key(cora.post(place, data=order).text)
    again = cora.post(place, data=order).text

    assert (call(momentry, rotated), rotated != key) == (200, True)
    assert "This was not done." in again
    assert "muser_" not in re.sub(r"muser_\w{4}…?\*+|<code>muser_[^<]*\*+</code>", "", again)


def test_nobody_gets_at_the_key_of_another(site, momentry):
    dora_id = site.register("doris")
    evil_id = site.register("evil")
    dora, evil = (site.log_in(name, USER_PASSWORD) for name in ("doris", "evil"))
    place = account_page(site, BLOCK)
    wanted = buttons(dora.get(place).text)["claim"]
    own = buttons(evil.get(place).text)["claim"]

    stolen = [
        evil.post(place, data=wanted),
        evil.post(place, data=own | {"momentry_key": wanted["momentry_key"]}),
        evil.post(place, data={**own, "user_id": "1", "momentry_nonce": ""}),
        site.client.post(place, data=wanted),
        evil.get(place, params=own),
        evil.post(place, data={"user_id": str(dora_id)}),
        evil.get(place, params={"user_id": str(dora_id)}),
    ]

    for answer in stolen:
        assert 'class="momentry-new-key"' not in answer.text
        assert wanted["momentry_key"] not in answer.text
    assert momentry.keys(evil_id) == [(False, False)]
    assert "Log in to see" in site.client.get(place).text


def test_the_page_says_so_when_momentry_is_away(site, momentry):
    site.register("edda")
    edda = site.log_in("edda", USER_PASSWORD)
    place = account_page(site)
    site.connect("http://127.0.0.1:9", SECRET)

    page = edda.get(place).text

    assert "cannot be shown right now" in page
