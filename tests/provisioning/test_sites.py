"""Sites: several secrets, exchanged without a pause, and roles whose users are no members."""

import pytest
from django.urls import reverse

from accounts.models import Scheme, Site, Status, User
from apikeys.models import ApiKey
from events.kinds import Kind
from events.models import Event
from momentry.common.env import ConfigurationError, Environment
from momentry.seed import seed_site
from provisioning.models import InboxEvent
from tests import make
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db
NEW = make.webhook_secret(5)


@pytest.fixture
def site():
    return make.site()


@pytest.fixture
def root(client):
    client.force_login(make.staff())
    return client


def page_of(site, button: str = "") -> str:
    if button:
        return reverse(f"admin:accounts_site_{button}", args=[site.pk])
    return reverse("admin:accounts_site_change", args=[site.pk])


def give(root, site, **given):
    fields = {"name": site.name, "url": site.url, "scheme": site.scheme} | given
    return root.post(page_of(site), fields)


def test_both_secrets_are_accepted_until_the_previous_one_is_forgotten(site, root):
    assert give(root, site, new_secret=NEW).status_code == 302
    answers = [send(event(1)).status_code, send(event(2), secret=NEW).status_code]
    root.post(page_of(site, "forget_this"), {"confirmed": "yes"})
    after = [send(event(3)).status_code, send(event(4), secret=NEW).status_code]

    assert (answers, after) == ([200, 200], [401, 200])
    kinds = list(Event.objects.filter(kind__startswith="site:").values_list("kind", flat=True))
    assert sorted(kinds) == [Kind.SITE_ROTATED, Kind.SITE_UPDATED]


def test_a_third_secret_ends_the_first(site, root):
    give(root, site, new_secret=NEW)
    give(root, site, new_secret=make.webhook_secret(6))

    assert send(event(1)).status_code == 401
    assert send(event(1), secret=NEW).status_code == 200


def test_no_page_shows_a_secret(site, root):
    give(root, site, new_secret=NEW, rest_username="root", new_password="abcd EFGH ijkl")

    shown = root.get(page_of(site)).content.decode()

    site.refresh_from_db()
    assert site.rest_password == "abcd EFGH ijkl"
    for secret in (NEW, make.webhook_secret(), "abcd EFGH"):
        assert secret.removeprefix("whsec_") not in shown


def test_view_only_staff_forget_nothing(site, client):
    site.webhook_secret_previous = NEW
    site.save()
    client.force_login(make.staff("viewer", superuser=False))

    answer = client.post(page_of(site, "forget_this"), {"confirmed": "yes"})

    site.refresh_from_db()
    assert (answer.status_code, site.webhook_secret_previous) == (403, NEW)


def test_another_scheme_takes_another_secret_and_access_by_rest(site, root):
    rest = {"rest_username": "root", "new_password": "abcd EFGH ijkl"}
    scheme = {"scheme": Scheme.WOOCOMMERCE}
    refused = [
        give(root, site, **scheme, **rest).status_code,
        give(root, site, **scheme, new_secret="a long secret of the shop").status_code,
        give(root, site, **scheme, **rest, new_secret="short").status_code,
    ]
    taken = give(root, site, **scheme, **rest, new_secret="a long secret of the shop")

    site.refresh_from_db()
    assert (refused, taken.status_code) == ([200, 200, 200], 302)
    assert (site.scheme, site.webhook_secret_previous) == (Scheme.WOOCOMMERCE, None)


def test_a_password_follows_to_no_other_address_by_itself(site, root):
    rest = {"rest_username": "root", "new_password": "abcd EFGH ijkl"}
    give(root, site, **rest)
    moved = {"url": "https://elsewhere.example.org/", "rest_username": "root"}

    kept = give(root, site, **moved)
    given = give(root, site, **moved, new_password="another one of there")

    site.refresh_from_db()
    assert (kept.status_code, given.status_code) == (200, 302)
    assert site.rest_password == "another one of there"


def test_the_plugins_connection_test_is_answered_and_does_nothing(site):
    answer = send(b'{"type": "ping"}')

    assert (answer.status_code, answer.json()) == (200, {"status": "pong"})
    assert send(b'{"type": "ping"}', secret=NEW).status_code == 401
    assert not InboxEvent.objects.exists()


@pytest.mark.parametrize("event_id", ["L" * 129, "tab\tinside", "\x7f"])
def test_an_odd_event_id_is_422(site, event_id):
    answer = send(event(), event_id=event_id)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert not User.objects.exists()


def test_a_body_beyond_all_measure_is_413(site):
    answer = send(b" " * (256 * 1024 + 1))

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_users_of_excluded_roles_are_not_made(site, settings):
    settings.WORDPRESS_EXCLUDED_ROLES = frozenset({"administrator"})

    answer = send(event(1, roles=["subscriber", "administrator"]))

    assert answer.json() == {"status": "applied"}
    assert (User.objects.count(), ApiKey.objects.count()) == (0, 0)


def test_a_member_who_gets_an_excluded_role_is_suspended_until_it_is_taken_away(site, settings):
    settings.WORDPRESS_EXCLUDED_ROLES = frozenset({"administrator"})
    send(event(1))
    send(event(2, "user.updated", roles=["administrator"]))
    suspended = User.objects.get().status
    send(event(3, "user.updated", roles=["editor"]))

    assert (suspended, User.objects.get().status) == (Status.SUSPENDED, Status.ACTIVE)


@pytest.mark.parametrize("roles", ["administrator", {"a": 1}, [1], [None], None])
def test_roles_that_are_none_are_422(site, roles):
    assert send(event(1, roles=roles)).status_code == 422


def environment(**given: str) -> Environment:
    return Environment({"WORDPRESS_URL": "https://w.example.org"} | given)


def test_a_changed_secret_of_the_environment_is_accepted_beside_the_one_so_far():
    seed_site(environment(WORDPRESS_WEBHOOK_SECRET=make.webhook_secret()))
    seed_site(environment(WORDPRESS_WEBHOOK_SECRET=NEW))
    seed_site(environment(WORDPRESS_WEBHOOK_SECRET=NEW))

    assert Site.objects.get().webhook_secrets == (NEW, make.webhook_secret())


def test_access_by_rest_comes_from_the_environment_whole_or_not_at_all():
    given = {"WORDPRESS_WEBHOOK_SECRET": NEW, "WORDPRESS_USERNAME": "root"}
    with pytest.raises(ConfigurationError, match="WORDPRESS_APP_PASSWORD"):
        seed_site(environment(**given))

    seed_site(environment(**given, WORDPRESS_APP_PASSWORD="abcd EFGH"))
    seed_site(environment(WORDPRESS_WEBHOOK_SECRET=NEW))

    site = Site.objects.get()
    assert (site.rest_username, site.rest_password) == ("root", "abcd EFGH")
