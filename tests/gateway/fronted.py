"""What fronts ask at /auth/verify, as they send it over the wire."""

import uuid

from apikeys.models import Grant
from tests import make
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer

CLIENT = "198.51.100.20"


def asking(
    key: str = "",
    *fields: str,
    dialect: str = "traefik",
    upstream: str = "echo",
    method: str = "GET",
    uri: str = "/a",
) -> bytes:
    """As nginx, Traefik and Caddy do."""
    told = (f"X-Forwarded-Method: {method}", f"X-Forwarded-Uri: {uri}")
    target = f"/auth/verify?dialect={dialect}&upstream={upstream}"
    return request("GET", target, key, *told, f"X-Forwarded-For: {CLIENT}", *fields)


def ask(gateway: Gateway, key: str = "", *fields: str, **given: str) -> Answer:
    return gateway.ask(asking(key, *fields, **given))


def ask_as_envoy(gateway: Gateway, key: str, path: str, method: str = "GET") -> Answer:
    """ext_authz over HTTP: path_prefix and the original path, the original method, no body."""
    told = ("Content-Length: 0", f"X-Forwarded-For: {CLIENT}")
    text = request(method, f"/auth/verify/envoy/echo{path}", key, *told)
    return gateway.ask(text, bodiless=method == "HEAD")


def narrow(database: Database, path: str, *methods: str) -> str:
    """The key of a new member who may call these methods below this path of echo."""
    with database.rows():
        made = make.key(make.member(name := f"f{uuid.uuid4().hex[:8]}", tier=tier(name)))
        Grant.objects.create(key=made.key, upstream="echo", paths=[path], methods=list(methods))
        return made.secret


def tier(name: str) -> str:
    return make.tier(f"tier-{name}").slug
