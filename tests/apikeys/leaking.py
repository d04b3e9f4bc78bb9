"""Keys that lie about: minted without a database, in every prefix, and almost keys."""

import base64
import hashlib
import json
import uuid
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rest_framework.test import APIClient

from apikeys import keyformat
from apikeys.leaks.settings import QUARANTINE, Leaks, Origin
from tests.provisioning.standin import Heard, StandIn, Told

URL: Final = "/integrations/secret-scanning/github"
PEPPER: Final = bytes(range(32))
TYPE: Final = "momentry_api_key"


def minted(prefix: str = "muser", seed: int = 1) -> str:
    return keyformat.mint(prefix, uuid.UUID(int=seed), owner="a", pepper=PEPPER, at=1_700_000_000)


def look_alike(key: str) -> str:
    """The same with another last character: only the checksum tells."""
    return key[:-1] + ("0" if key[-1] != "0" else "1")


class Signer:
    """A private key of an origin's, and the headers that it signs with."""

    def __init__(self, name: str = "key-1", origin: str = "github") -> None:
        self.name = name
        self.origin = origin
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        return self.private.public_key()

    @property
    def entry(self) -> dict[str, Any]:
        pem = self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"key_identifier": self.name, "key": pem.decode(), "is_current": True}

    def headers(self, body: bytes) -> dict[str, str]:
        signature = self.private.sign(body, ec.ECDSA(hashes.SHA256()))
        begin = f"HTTP_{self.origin.upper()}_PUBLIC_KEY_"
        return {
            f"{begin}IDENTIFIER": self.name,
            f"{begin}SIGNATURE": base64.b64encode(signature).decode(),
        }


class KeyHouse(StandIn):
    """Serves a list of public keys, as api.github.com does."""

    def __init__(self, *signers: Signer) -> None:
        super().__init__()
        self.entries: list[Any] = [signer.entry for signer in signers]

    def answer(self, heard: Heard) -> Told:
        return Told(200, {"public_keys": self.entries})


def given(*signers: Signer, policy: str = QUARANTINE, url: str = "") -> Leaks:
    """Settings under which these sign; with a URL their keys are in the list there."""
    names = dict.fromkeys(signer.origin for signer in signers)
    return Leaks(
        policy,
        tuple(
            Origin(
                name,
                url,
                {} if url else {s.name: s.public for s in signers if s.origin == name},
            )
            for name in names
        ),
    )


def found(token: str, **more: Any) -> dict[str, Any]:
    url = "https://github.com/octocat/Hello-World/blob/main/foo.txt"
    return {"token": token, "type": TYPE, "url": url, "source": "content", **more}


def send(signer: Signer, *entries: Any, body: bytes | None = None, **headers: Any) -> Any:
    raw = json.dumps(list(entries)).encode() if body is None else body
    all_headers = {**signer.headers(raw), **headers}
    sent = {name: value for name, value in all_headers.items() if value is not None}
    client = APIClient(raise_request_exception=False)
    return client.generic("POST", URL, raw, content_type="application/json", **sent)


def feedback(token: str, label: str) -> dict[str, str]:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"token_hash": digest, "token_type": TYPE, "label": label}
