"""TLS towards upstreams: verified unless staff said otherwise, sessions resumed for a while."""

import ssl
import time
from functools import cache
from typing import Final, NamedTuple

UNVERIFIED: Final = "unverified"
# A resumed handshake looks at no certificate: so often at least one is verified anew.
SESSION_LIFE: Final = 3600.0


class Kept(NamedTuple):
    session: ssl.SSLSession
    until: float


class Context(ssl.SSLContext):
    """asyncio and uvloop take no session, but both ask the context for each connection's object."""

    kept: dict[str, Kept]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        kept = self.kept.get(str(server_hostname))
        if kept is not None and time.monotonic() < kept.until:
            session = kept.session
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def keep(self, host: str, connection: ssl.SSLObject) -> None:
        """What the server gave to resume this one with; called once its first answer has come,
        for TLS 1.3 gives it after the handshake."""
        session = connection.session
        if session is None or not (session.has_ticket or session.id):
            return
        known = self.kept.get(host)
        until = time.monotonic() + SESSION_LIFE
        if connection.session_reused and known is not None:
            until = known.until
        self.kept[host] = Kept(session, until)


@cache
def tls_context(mode: str) -> Context:
    context = Context(ssl.PROTOCOL_TLS_CLIENT)  # which verifies, names too
    context.kept = {}
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    if mode == UNVERIFIED:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
