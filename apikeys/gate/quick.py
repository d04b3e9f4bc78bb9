"""What the gate says at once of a key that is remembered: as the judge does, but no generator.

Pure. What it takes a limit, the time or anybody else to say is None here, and the judge is asked.
"""

from functools import lru_cache

from apikeys.gate.checks import CHECKS
from apikeys.gate.credential import Credential, find_credential
from apikeys.gate.judge import Policy, admitted, may_be_admin_token, refused
from apikeys.gate.limits import NOTHING
from apikeys.gate.proof import INVALID
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Verdict


def key_shown(request: GateRequest, policy: Policy) -> Credential | None:
    """The one credential, if it can only be a key."""
    found = find_credential(request.headers)
    if not isinstance(found, Credential) or may_be_admin_token(request, found, policy):
        return None
    return found


def admit(request: GateRequest, key: KeySnapshot, credential: Credential) -> Verdict | None:
    """Of a remembered key whose secret was proven; nobody looks at its ``now``."""
    if key.windows or key.quotas or key.budgets or key.expires_at is not None:
        return None
    for check in CHECKS:
        if check(request, key) is not None:
            return None
    return admitted(key, credential, NOTHING)


@lru_cache(maxsize=8)
def invalid(header: bytes) -> Verdict:
    """Of a text that is no key's, in this field."""
    return refused(INVALID, Credential("", header))
