"""EGRESS_ALLOW: networks and host names that the operator lets through in spite of the rules."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Final

from momentry.common.egress.baseurl import fault_of
from momentry.common.egress.hosts import is_name
from momentry.common.egress.networks import Network
from momentry.common.egress.rules import Kind, refusal_of
from momentry.common.env import Environment, fail

REMEMBERED: Final = 1024
LONGEST_URL: Final = 200


@dataclass(frozen=True, slots=True)
class Allowed:
    """``names`` as ``plain_name`` writes them; whatever they resolve to may be dialled."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()

    def refusal(self, host: str, address: str, kind: Kind) -> str:
        """Why ``address``, to which ``host`` leads, may not be dialled; "" when it may."""
        if plain_name(host) in self.names:
            return ""
        return remembered_refusal(address, kind, self.networks)


NOTHING: Final = Allowed()


@lru_cache(REMEMBERED)
def remembered_refusal(address: str, kind: Kind, networks: tuple[Network, ...]) -> str:
    """Connections go to few addresses; a judgement takes some ten microseconds."""
    return refusal_of(address, kind, networks)


def plain_name(host: str) -> str:
    return host.lower().removesuffix(".")


def read_allowed(environment: Environment) -> Allowed:
    """Raises ConfigurationError, which names the variable."""
    networks: list[Network] = []
    names: set[str] = set()
    for word in environment.words("EGRESS_ALLOW"):
        if (network := network_of(word)) is not None:
            networks.append(network)
        elif is_name(word):
            names.add(plain_name(word))
        else:
            fail("EGRESS_ALLOW", "must be a comma-separated list of networks and host names.")
    return Allowed(tuple(networks), frozenset(names))


def network_of(word: str) -> Network | None:
    """One address is a network too. A zone means something to one machine only."""
    try:
        return None if "%" in word else ip_network(word, strict=False)
    except ValueError:
        return None


def service_url(name: str, text: str, allowed: Allowed) -> str:
    """Where the setting ``name`` says that a service is, or "". Raises ConfigurationError."""
    if text and (len(text) > LONGEST_URL or fault_of(text, allowed.networks)):
        fail(name, "must be http(s)://host[:port][/path] of a host that may be dialled.")
    return text
