"""What the environment says of SFTPGo. Read by the settings, so it imports none of Django."""

from posixpath import normpath
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from momentry.common.egress.allowed import Allowed
from momentry.common.egress.baseurl import fault_of
from momentry.common.env import Environment, fail
from momentry.common.veil import veils

HTTP_PORT: Final = 8080  # SFTPGo's own default, for its web and REST
SFTP_PORT: Final = 2022
LONGEST_ROOT: Final = 400  # a home, root and one name, fits its column
LOGIN: Final = ("SFTPGO_ADMIN", "SFTPGO_PASSWORD", "SFTPGO_API_KEY")


@veils("password", "api_key")
class SftpgoConfig(NamedTuple):
    """``admin`` and ``password``, or ``api_key``. ``data_root``: where this machine sees what
    SFTPGo sees under ``home_root``; "" for nowhere."""

    url: str
    admin: str
    password: str
    api_key: str
    data_root: str
    home_root: str
    public_host: str
    public_port: int


def read_sftpgo(env: Environment, *, public_url: str, allowed: Allowed) -> SftpgoConfig | None:
    """None when SFTPGO_URL is not set. Raises ConfigurationError for half a configuration."""
    if not env.has("SFTPGO_URL"):
        if any(env.has(name) for name in LOGIN):
            fail("SFTPGO_URL", "is missing, beside a log-in for SFTPGo.")
        return None
    admin, password, api_key = read_login(env)
    return SftpgoConfig(
        url=read_url(env, allowed),
        admin=admin,
        password=password,
        api_key=api_key,
        data_root=read_root(env, "SFTPGO_DATA_ROOT", ""),
        home_root=read_root(env, "SFTPGO_HOME_ROOT", "/data"),
        public_host=env.text("SFTPGO_PUBLIC_HOST", urlsplit(public_url).hostname or ""),
        public_port=env.integer("SFTPGO_PUBLIC_PORT", SFTP_PORT, low=1, high=65535),
    )


def read_login(env: Environment) -> tuple[str, str, str]:
    """Admin and password, or an API key: not both, and no half."""
    admin = env.text("SFTPGO_ADMIN", "")
    password = env.text("SFTPGO_PASSWORD", "")
    api_key = env.text("SFTPGO_API_KEY", "")
    if api_key and (admin or password):
        fail("SFTPGO_API_KEY", "and SFTPGO_ADMIN or SFTPGO_PASSWORD are both set; give one.")
    if api_key:
        if not api_key.isascii() or not api_key.isprintable():
            fail("SFTPGO_API_KEY", "must be printable ASCII.")
        return "", "", api_key
    if not admin or ":" in admin:  # RFC 7617: no colon in a name
        fail("SFTPGO_ADMIN", "is missing or has a colon; or set SFTPGO_API_KEY.")
    if not password:
        fail("SFTPGO_PASSWORD", "is missing beside SFTPGO_ADMIN.")
    return admin, password, ""


def read_url(env: Environment, allowed: Allowed) -> str:
    url = env.url("SFTPGO_URL", None, ("http", "https")).rstrip("/")
    if why := fault_of(url, allowed.networks):
        fail("SFTPGO_URL", f"is of no use. {why}")
    parts = urlsplit(url)
    if parts.port is None and parts.scheme == "http":
        return parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{HTTP_PORT}").geturl()
    return url


def read_root(env: Environment, name: str, default: str) -> str:
    """An absolute directory, as SFTPGo's machine writes it, without a slash at its end."""
    root = env.text(name, default)
    if not root:
        return ""
    if not root.startswith("/") or normpath(root) != (root.rstrip("/") or "/"):
        fail(name, "must be an absolute path without . and .. in it.")
    if not root.isprintable() or len(root) > LONGEST_ROOT:
        fail(name, f"must be printable and at most {LONGEST_ROOT} characters.")
    return root.rstrip("/")
