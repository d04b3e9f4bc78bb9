"""SFTPGo's administration (internal/httpd/middleware.go) and a WordPress (wp-includes/user.php), as
far as they judge tokens."""

from tests.provisioning.n8n import jwt
from tests.provisioning.standin import Heard, StandIn, Told


class SFTPGoDoor(StandIn):
    """``keys``: id → (secret, administrator, user). The clerk has no permissions."""

    def __init__(self) -> None:
        self.keys = {
            "k1": ("s1", "boss", ""), "k2": ("s2", "", "alice"), "k3": ("s3", "", ""),
            "k4": ("s4", "clerk", ""),
        }  # fmt: skip
        self.bearer = jwt(aud=["API"], username="boss", exp=4_000_000_000)
        super().__init__()

    def answer(self, heard: Heard) -> Told:
        is_admins = heard.path == "/api/v2/version"
        if not is_admins and heard.path != "/api/v2/user/profile":
            return Told(404, {"error": "Not found", "message": ""})
        if heard.headers.get("authorization") == f"Bearer {self.bearer}":
            return Told(200, {"version": "2.7.0"}) if is_admins else Told(401, {"message": "no"})
        number, _, rest = heard.headers.get("x-sftpgo-api-key", "").partition(".")
        secret, _, name = rest.partition(".")
        if number not in self.keys:
            status = 400 if number else 401
            return Told(status, {"message": "", "error": "the provided api key is not valid"})
        right, admin, user = self.keys[number]
        if secret != right:
            return Told(401, {"message": "", "error": "it cannot be authenticated"})
        who = (admin or name) if is_admins else (user or name)
        if not who:
            return Told(401, {"message": "", "error": "the admin cannot be authenticated"})
        if not is_admins:
            return Told(403, {"message": "API key authentication is not allowed"})
        return (
            Told(403, {"message": "Forbidden"})
            if who == "clerk"
            else Told(200, {"version": "2.7.0"})
        )


class WordPressDoor(StandIn):
    """``offers``: Application Passwords are on, which takes https as a rule."""

    def __init__(self, *, offers: bool = True) -> None:
        self.offers = offers
        self.passwords = {"alice": "abcd EFGH 1234 ijkl MNOP 5678"}
        self.roleless: set[str] = set()
        self.ids = {"alice": 4711}
        super().__init__()

    def answer(self, heard: Heard) -> Told:
        if heard.path == "/wp-json/":
            ways = {"application-passwords": {"endpoints": {}}} if self.offers else []
            return Told(200, {"name": "blog", "authentication": ways})
        if heard.path != "/wp-json/wp/v2/users/me":
            return Told(404, {"code": "rest_no_route", "message": ""})
        name, password = heard.basic()
        plain = self.passwords.get(name, "\n").replace(" ", "")
        if not self.offers or password.replace(" ", "") != plain:
            return Told(401, {"code": "rest_not_logged_in", "message": "", "data": {"status": 401}})
        if name in self.roleless:
            return Told(403, {"code": "rest_forbidden", "message": ""})
        return Told(200, {"id": self.ids.get(name, 1), "slug": name, "name": name})
