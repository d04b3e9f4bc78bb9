"""Everybody who may knock, every route of docs/permissions.md, and what its table has to mean."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple
from uuid import uuid4

from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from apikeys.gate.scopes import MEMBER_SCOPES, ROLES
from apikeys.gate.sealed import LIFETIME, PURPOSE, SealedHold, seal
from apikeys.models import Anomaly, ApiKey, Grant, IpRule, KeyTemplate
from apikeys.requestlog.row import LogRow
from momentry.common.crypto.keyring import get_ring
from momentry.common.scopes import holds
from provisioning.models import ExternalToken, ProvisioningTask, System, TaskState
from provisioning.services.members import delete_member
from proxy.models import Price, Target, UpstreamModel
from tests import make
from tests.apikeys import logs
from tests.apikeys.films import Films, is_members_alone
from tests.apikeys.sessions import bearer, clerk, client, session, staff
from tests.docs.pages import page, table_rows
from tests.provisioning.gitea import Gitea

ADMIN = "/api/v1/admin/"
OFFERS = f"{ADMIN}upstreams/{{slug}}/"
KEYS = f"{ADMIN}keys"
TOKENS = f"{ADMIN}external-tokens"
NEW_TOKEN = {"provider": "n8n", "label": "x", "token": "x", "base_url": "http://127.0.0.1:9"}
VERBS = {"GET": "view", "POST": "add", "PATCH": "change", "PUT": "change", "DELETE": "delete"}
addresses = itertools.count(1)


class Route(NamedTuple):
    method: str
    path: str
    scope: str
    permission: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


gitea = cache(Gitea)  # one for all: it has nothing that a call could change


def routes() -> Iterator[Route]:
    for row in table_rows(page("docs/permissions.md")):
        if len(row) == 4 and row[1].startswith("/"):
            yield Route(*row)


@dataclass
class Caller:
    """``scopes`` of its key; ``staff``: the permissions of its session, None without one."""

    name: str
    client: APIClient
    kind: str = "key"
    scopes: frozenset[str] = frozenset()
    staff: frozenset[str] | None = None
    own_key: str = ""

    def expected(self, route: Route) -> str:
        """ "" when the table lets it in, else the code of the refusal."""
        by_kind = {
            "nobody": self.nobody, "disabled": self.disabled, "forged": self.forged,
            "token": self.token, "staff": self.by_session, "member": self.member, "key": self.key,
        }  # fmt: skip
        return by_kind[self.kind](route)

    def nobody(self, route: Route) -> str:
        return "missing_key"

    def disabled(self, route: Route) -> str:
        return "key_disabled"

    def forged(self, route: Route) -> str:
        return "invalid_key"

    def token(self, route: Route) -> str:
        return "" if route.path.startswith(ADMIN) else "invalid_key"

    def by_session(self, route: Route) -> str:
        if route.permission == "none":
            return "missing_key"
        held = self.staff is not None and route.permission in self.staff
        return "" if held else "permission_denied"

    def member(self, route: Route) -> str:
        return "permission_denied" if route.path.startswith(ADMIN) else self.by_scope(route)

    def key(self, route: Route) -> str:
        refused = self.by_scope(route)
        is_members = route.path.startswith("/api/v1/me/") or is_members_alone(route.path)
        return refused or ("permission_denied" if is_members else "")

    def by_scope(self, route: Route) -> str:
        held = route.scope == "none" or holds(self.scopes, route.scope)
        return "" if held else "insufficient_scope"


@dataclass
class House:
    """What is asked for; all of it within what the role issuer holds."""

    alice: User = field(default_factory=lambda: make.member("alice"))
    key: ApiKey = field(init=False)
    grant: Grant = field(init=False)
    rule: IpRule = field(init=False)
    call: LogRow = field(default_factory=lambda: logs.call(timezone.now()))
    price: Price = field(init=False)
    target: Target = field(init=False)
    model: UpstreamModel = field(init=False)
    gone: User = field(default_factory=lambda: make.member("gone"))
    twin: User = field(init=False)
    token: ExternalToken = field(init=False)
    task: ProvisioningTask = field(init=False)
    films: Films = field(init=False)
    anomaly: Anomaly = field(init=False)

    def __post_init__(self) -> None:
        delete_member(self.gone, actor="test")
        self.films = Films(self.alice)
        self.twin = make.member("Alice", email="", site=make.site(), wordpress_id=1)
        self.task = ProvisioningTask.objects.create(
            member=self.alice, system=System.SFTPGO, state=TaskState.DEAD
        )
        self.key = make.key(self.alice).key
        ApiKey.objects.filter(pk=self.key.pk).update(scopes=["keys:read"])
        self.anomaly = Anomaly.objects.create(
            key=self.key, rule="rate", hour=timezone.now(), value=2, usual=1, threshold=1
        )
        self.grant = Grant.objects.create(key=self.key, upstream="echo")
        self.rule = IpRule.objects.create(network="203.0.113.0/24")
        KeyTemplate.objects.create(slug="laptop", scopes=["keys:read"])
        make.tier("unused")
        self.price = Price.objects.create(
            upstream=make.upstream("maps"), model="m", input_micro=1, output_micro=1
        )
        logs.log(self.call)

        offering = make.upstream("offers", credential="x" * 20, usage_format="openai")
        self.target = offering.targets.get()
        self.model = UpstreamModel.objects.create(upstream=offering, name="m")
        self.token = make.external_token(base_url=gitea().base_url, username="alice")

    def place(self, route: Route, caller: Caller) -> str:
        names = {
            f"{ADMIN}users/": self.alice.pk, f"{KEYS}/": self.key.pk,
            f"{ADMIN}grants/": self.grant.pk, f"{ADMIN}ip-rules/": self.rule.pk,
            f"{ADMIN}provisioning-tasks/": self.task.pk,
            f"{ADMIN}anomalies/": self.anomaly.pk,
            f"{ADMIN}prices/": self.price.pk, f"{ADMIN}logs/": self.call.id,
            f"{OFFERS}targets/": self.target.credentials.get().pk,
            f"{OFFERS}models/": self.model.pk, f"{TOKENS}/": self.token.pk,
            "/api/v1/me/keys/": caller.own_key or self.key.pk,
        }  # fmt: skip
        slugs = {
            f"{ADMIN}key-templates/": "laptop", f"{ADMIN}tiers/": "unused", OFFERS: "offers",
            f"{ADMIN}upstreams/": "maps",
        }  # fmt: skip
        found = next((pk for start, pk in names.items() if route.path.startswith(start)), "")
        slug = next((slug for start, slug in slugs.items() if route.path.startswith(start)), "")
        found = {"restore": self.gone.pk, "merge": self.twin.pk}.get(verb_of(route), found)
        found = self.films.thing(route.path, caller.own_key) or found
        path = route.path.replace("{id}", str(found)).replace("{slug}", slug)
        return path.replace("{target_id}", str(self.target.pk))

    def body(self, route: Route, caller: Caller) -> dict[str, Any]:
        """Nothing where nothing is needed; KeyError never: an empty body is what is missing."""
        key = {"owner": str(self.alice.pk), "name": "new", "scopes": ["keys:read"]}
        bodies: dict[str, dict[str, Any]] = {
            f"POST {KEYS}": key,
            f"PATCH {KEYS}/{{id}}": {"name": "other"},
            f"POST {KEYS}/batch": {"keys": [key]},
            f"POST {KEYS}/import": {"keys": [key], "dry_run": True},
            f"POST {KEYS}/batch-revoke": {"conditions": {"owner": str(self.alice.pk)}},
            f"POST {ADMIN}users": {"username": "carol"},
            f"PUT {ADMIN}users/{{id}}/limits": {"requests_per_day": 5},
            f"PUT {ADMIN}users/{{id}}": {"username": "alice", "email": "a@example.org"},
            f"PATCH {ADMIN}users/{{id}}": {"display_name": "Alice"},
            f"POST {ADMIN}users/{{id}}/rename": {"username": "alice.b"},
            f"POST {ADMIN}users/{{id}}/merge": {"into": str(self.alice.pk)},
            f"POST {ADMIN}key-templates": {"slug": "new", "scopes": ["keys:read"]},
            f"PATCH {ADMIN}key-templates/{{slug}}": {"max_days": 5},
            f"POST {ADMIN}tiers": {"slug": "new", "name": "New"},
            f"PATCH {ADMIN}tiers/{{slug}}": {"requests_per_day": 5},
            f"POST {ADMIN}grants": {"key": str(self.key.pk), "upstream": "llm"},
            f"PATCH {ADMIN}grants/{{id}}": {"methods": ["GET"]},
            f"POST {ADMIN}upstreams": {"slug": "new", "name": "New"},
            f"PUT {ADMIN}upstreams/{{slug}}": {"name": "New", "targets": []},
            f"PATCH {ADMIN}upstreams/{{slug}}": {"is_active": False},
            f"POST {OFFERS}targets/{{target_id}}/credentials": {"api_key": "x"},
            f"POST {OFFERS}models": {"name": "new"},
            f"POST {ADMIN}prices": {"model": "x", "input_micro": 1, "output_micro": 2},
            f"PATCH {ADMIN}prices/{{id}}": {"input_micro": 5},
            f"POST {TOKENS}": NEW_TOKEN,
            f"PATCH {TOKENS}/{{id}}": {"label": "other"},
            f"POST {TOKENS}/{{id}}/revoke": {"password": "hunter2 hunter2"},
            f"POST {ADMIN}ip-rules": {"network": "198.51.100.0/24"},
            f"PATCH {ADMIN}ip-rules/{{id}}": {"note": "x"},
            "POST /api/v1/hooks/sftpgo/auth": {"username": "nobody", "ip": "192.0.2.1"},
            "POST /api/v1/me/keys": {"name": "new"},
            "POST /api/v1/keys/verify": {"key": "x"},
            "POST /api/v1/keys/settle": {"hold": self.hold_of(caller)},
        }
        return self.films.body(str(route)) or bodies.get(str(route), {})

    def hold_of(self, caller: Caller) -> str:
        """One that keys/verify gave this caller."""
        _, _, rest = str(caller.client._credentials.get("HTTP_X_API_KEY", "")).partition("_")
        end = timezone.now() + LIFETIME
        hold = SealedHold(uuid4(), f"key:{rest[:32]}", self.key.pk, end, ())
        return seal(hold, get_ring().derive(PURPOSE))


def verb_of(route: Route) -> str:
    return route.path.rpartition("/")[2]


def cast() -> list[Caller]:
    bob = make.key(make.member("bob", tier="enterprise"))
    trial = make.key(make.member("tim", tier="trial"))
    stopped = make.key(make.member("dora"))
    ApiKey.objects.filter(pk=stopped.key.pk).update(disabled_at=timezone.now())
    member = {"kind": "member", "scopes": MEMBER_SCOPES}
    token = os.environ["ADMIN_TOKEN"]
    named = Permission.objects.values_list("content_type__app_label", "codename")
    everything = frozenset(f"{app}.{codename}" for app, codename in named)
    views = frozenset(name for name in everything if ".view_" in name)
    root = staff("root", is_superuser=True)
    return [
        *(
            Caller(role, client(make.service_key(role).secret), scopes=held)
            for role, held in ROLES.items()
        ),
        Caller("member", client(bob.secret), own_key=str(bob.key.pk), **member),
        Caller("trial member", client(trial.secret), own_key=str(trial.key.pk), **member),
        Caller("disabled key", client(stopped.secret), kind="disabled"),
        Caller("no key", APIClient(), kind="nobody"),
        Caller("ADMIN_TOKEN", bearer(token), kind="token"),
        Caller("viewer", session(clerk("viewer", views)), kind="staff", staff=views),
        Caller("clerk", session(clerk("clerk", everything)), kind="staff", staff=everything),
        Caller("superuser", session(root), kind="staff", staff=everything),
        Caller(
            "superuser with a metrics key",
            session(root, HTTP_X_API_KEY=make.service_key("metrics").secret),
            scopes=ROLES["metrics"],
        ),
        Caller("superuser with a forged key", session(root, HTTP_X_API_KEY="x"), kind="forged"),
    ]


def call(caller: Caller, route: Route, house: House, **headers: str) -> Any:
    """From an address of its own: wrong keys lock an address out."""
    number = next(addresses)
    address = f"198.18.{number // 250 % 250}.{number % 250 + 1}"
    path = house.place(route, caller)
    if route.method == "GET":
        return caller.client.get(path, REMOTE_ADDR=address, **headers)
    send = getattr(caller.client, route.method.lower())
    return send(path, house.body(route, caller), REMOTE_ADDR=address, **headers)
