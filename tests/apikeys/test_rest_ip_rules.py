"""/api/v1/admin/ip-rules, and check 2 in Django's own path."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from apikeys.models import ApiKey, IpRule
from events.models import Event
from tests import make
from tests.apikeys.calls import pointers

pytestmark = pytest.mark.django_db
RULES = "/api/v1/admin/ip-rules"


def test_a_rule_is_made_listed_read_changed_and_removed(admin_api):
    made = admin_api.post(RULES, {"network": "198.51.100.0/24", "note": "scanner"})
    one = f"{RULES}/{made.json()['id']}"
    changed = admin_api.patch(one, {"kind": "allow", "expires_at": "2099-01-01T00:00:00Z"})
    listed = admin_api.get(RULES).json()
    read = admin_api.get(one).json()
    removed = admin_api.delete(one)

    assert (made.status_code, made.json()["kind"]) == (201, "block")
    assert (changed.status_code, changed.json()["kind"]) == (200, "allow")
    assert (listed["total"], listed["results"][0]) == (1, read)
    assert read["expires_at"] == "2099-01-01T00:00:00Z"
    assert (removed.status_code, IpRule.objects.count()) == (204, 0)
    kinds = list(Event.objects.order_by("id").values_list("kind", flat=True))
    assert kinds[-3:] == ["ip-rule:created", "ip-rule:updated", "ip-rule:deleted"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({}, "#/network"),
        ({"network": "198.51.100.1/24"}, "#/network"),
        ({"network": "here"}, "#/network"),
        ({"network": "fe80::1%eth0/128"}, "#/network"),
        ({"network": "198.51.100.0/24", "kind": "maybe"}, "#/kind"),
        ({"network": "198.51.100.0/24", "until": "x"}, "#/until"),
        ({"network": "198.51.100.0/24", "expires_at": "soon"}, "#/expires_at"),
    ],
)
def test_faults_have_pointers(admin_api, given, pointer):
    answer = admin_api.post(RULES, given)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_one_network_has_one_rule_and_it_does_not_move(admin_api):
    made = admin_api.post(RULES, {"network": "198.51.100.0/24"}).json()

    again = admin_api.post(RULES, {"network": "198.51.100.0/24", "kind": "allow"})
    moved = admin_api.patch(f"{RULES}/{made['id']}", {"network": "198.51.101.0/24"})

    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert moved.json()["errors"][0]["pointer"] == "#/network"


def test_a_repeat_with_an_idempotency_key_is_one_rule(admin_api):
    answers = [
        admin_api.post(RULES, {"network": "198.51.100.0/24"}, HTTP_IDEMPOTENCY_KEY="one")
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


def test_who_may(api):
    reader, writer = make.service_key("validator"), make.service_key("issuer")
    member = make.key()
    ApiKey.objects.filter(pk=member.key.pk).update(scopes=["*:*"])
    body = {"network": "198.51.100.0/24"}

    assert api.get(RULES, HTTP_X_API_KEY=reader.secret).status_code == 200
    assert api.post(RULES, body, HTTP_X_API_KEY=reader.secret).status_code == 403
    assert api.post(RULES, body, HTTP_X_API_KEY=writer.secret).status_code == 201
    assert api.get(RULES, HTTP_X_API_KEY=member.secret).status_code == 403
    assert api.get(RULES).json()["code"] == "missing_key"


def test_staff_need_the_permission(api):
    clerk = make.staff("clerk", superuser=False)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_iprule"))
    client = APIClient()
    client.force_login(clerk)

    assert client.get(RULES).status_code == 200
    assert client.post(RULES, {"network": "198.51.100.0/24"}).status_code == 403


def test_django_alone_asks_the_rules(api, admin_api):
    secret = make.key().secret
    IpRule.objects.create(network="198.51.100.0/24")
    IpRule.objects.create(network="198.51.100.8/32", kind="allow")
    ended = timezone.now() - timedelta(seconds=1)
    IpRule.objects.create(network="203.0.113.0/24", expires_at=ended)

    def code(address, **headers):
        return api.get("/api/v1/me", REMOTE_ADDR=address, **headers).json().get("code")

    assert code("198.51.100.7", HTTP_X_API_KEY=secret) == "ip_blocked"
    assert code("::ffff:198.51.100.7", HTTP_X_API_KEY=secret) == "ip_blocked"
    assert code("198.51.100.7") == "ip_blocked"
    assert code("198.51.100.8", HTTP_X_API_KEY=secret) is None
    assert code("203.0.113.1", HTTP_X_API_KEY=secret) is None
    assert code("", HTTP_X_API_KEY=secret) is None


NO_INET = [
    "", "here", "%", "::%eth0", "fe80::%eth0/64", "999.1.1.1/24", "192.0.2.1/33", "192.0.2/24",
    "192.0.2.01", "192.0.2.1/", "192.0.2.1/-1", "192.0.2.0/255.255.255.0", "2001:db8::/129",
    "12345::/16", "1::2::3/64", ":::/1", "1:2:3:4:5:6:7/64", "1:2:3:4:5:6:7:8:9/64", "::g/64", "/8",
    "1:2:3:4:5:6:7::8/64", "::/", "::1.2.3.4.5/96",
]  # fmt: skip


def test_rules_that_are_no_networks_are_left_out_and_break_nothing(api):
    secret = make.key().secret
    IpRule.objects.bulk_create(IpRule(network=text) for text in NO_INET)
    IpRule.objects.create(network="FE80::1%eth0/128")
    IpRule.objects.create(network="198.51.100.0/24")
    IpRule.objects.create(network="2001:db8::/32")

    def status(address):
        return api.get("/api/v1/me", HTTP_X_API_KEY=secret, REMOTE_ADDR=address).status_code

    blocked = [status(text) for text in ("198.51.100.7", "fe80::1", "2001:db8:1::7")]
    others = [status(text) for text in ("192.0.2.1", "fd00::1", "12.0.0.1")]
    assert (blocked, others) == ([403] * 3, [200] * 3)


NETWORKS = [
    "0.0.0.0/0", "10.0.0.0/8", "198.51.100.0/24", "203.0.113.250/31", "203.0.113.255/32", "::/0",
    "::1/128", "2001:db8::/32", "1:2:3:4:5:6:7:8/128", "0:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:0/128",
    "1::8/128", "1:2:3:4:5:6::/96", "fe80::/10", "abcd:ef01::/100", "::5:6:7:8/127",
]  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_is_a_rule(api, admin_api, network):
    secret = make.key().secret
    made = admin_api.post(RULES, {"network": network})
    first = network.partition("/")[0]

    answer = api.get("/api/v1/me", HTTP_X_API_KEY=secret, REMOTE_ADDR=first)

    assert (made.status_code, answer.json().get("code")) == (201, "ip_blocked"), made.content


def test_a_list_has_no_filters(admin_api):
    for query, pointer in (("kind=block", "?kind"), ("page=1&page=1", "?page")):
        assert pointers(admin_api.get(f"{RULES}?{query}")) == [pointer]


def test_a_keys_own_networks_hold_in_django_too(api):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(allowed_networks=["198.51.100.0/24"])

    def status(address):
        return api.get("/api/v1/me", HTTP_X_API_KEY=issued.secret, REMOTE_ADDR=address).status_code

    assert [status("198.51.100.1"), status("203.0.113.1"), status("")] == [200, 403, 403]
