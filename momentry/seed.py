"""What a first start makes: the Site of the environment, and the demonstration of `up`."""

from django.conf import settings
from django.db import transaction

from accounts.models import Site, User
from accounts.services import Profile
from apikeys.services.keys import issue_secret
from events.kinds import Kind
from events.services import record
from events.webhooks.environment import follow_environment
from momentry.common.env import Environment, fail
from provisioning.services.members import register_member
from provisioning.services.sites import keep_previous
from proxy.environment import SETTING
from proxy.models import Target, Upstream
from proxy.services.environment import ECHO, ECHO_NAME, import_environment

ADMIN = "admin"
DEMO = "demo"
ACTOR = "install"


@transaction.atomic
def seed_site(env: Environment) -> None:
    """The WordPress of WORDPRESS_URL; an existing row follows a changed secret."""
    if not env.has("WORDPRESS_URL"):
        return
    url = env.url("WORDPRESS_URL", None, ("http", "https")).rstrip("/") + "/"
    site = Site.objects.filter(url=url).first() or Site(name=url[:100], url=url)
    secret = env.text("WORDPRESS_WEBHOOK_SECRET")
    username, password = rest_access(env)
    if (site.webhook_secret, site.rest_username, site.rest_password) != (
        secret, username or site.rest_username, password or site.rest_password,
    ):  # fmt: skip
        keep_previous(site, secret)
        site.webhook_secret = secret
        if password:
            site.rest_username, site.rest_password = username, password
        site.full_clean()
        site.save()


def rest_access(env: Environment) -> tuple[str, str]:
    """Of the user whose Application Password reads the users, or two empty texts."""
    username = env.text("WORDPRESS_USERNAME", "")
    password = env.text("WORDPRESS_APP_PASSWORD", "")
    if username and not password:
        fail("WORDPRESS_APP_PASSWORD", "is missing: WORDPRESS_USERNAME is set.")
    if password and not username:
        fail("WORDPRESS_USERNAME", "is missing: WORDPRESS_APP_PASSWORD is set.")
    return username, password


def seed_upstreams(env: Environment) -> None:
    """Those of UPSTREAMS, where there are none yet."""
    if env.has("MOMENTRY_ECHO_URL") and ECHO in env.words(SETTING):
        fail(SETTING, f"names {ECHO}, which `up` brings itself: choose another slug.")
    import_environment(env)


def seed_webhook() -> None:
    """The endpoint of WEBHOOK_URL; its row follows what is given."""
    follow_environment(settings.WEBHOOK)


@transaction.atomic
def seed_demo(env: Environment) -> dict[str, str | bool | None]:
    """Admin login, echo upstream, demonstration member. The key is there only when made now.

    ``password_holds``: does the admin, perhaps of an older installation, log in with the password?
    """
    password = env.text("MOMENTRY_ADMIN_PASSWORD")
    admin = User.objects.filter(username=ADMIN, is_staff=True).first()
    if admin is None:
        admin = User.objects.create_superuser(ADMIN, password)
        record(Kind.STAFF_CREATED, actor=ACTOR, subject=f"staff:{admin.pk}", name=ADMIN)
    made: dict[str, str | bool | None] = {
        "admin": ADMIN,
        "password_holds": admin.check_password(password),
        "key": None,
    }
    point_echo_at(env.url("MOMENTRY_ECHO_URL", None, ("http",)))
    if User.objects.filter(username=DEMO).exists():
        return made
    registered = register_member(Profile(DEMO, "", "Demonstration"), actor=ACTOR, welcome=False)
    return made | {"key": issue_secret(registered.key)}


def point_echo_at(url: str) -> None:
    echo, _ = Upstream.objects.get_or_create(slug=ECHO, defaults={"name": ECHO_NAME})
    Target.objects.filter(upstream=echo).exclude(base_url=url).delete()
    Target.objects.get_or_create(upstream=echo, base_url=url)
