"""Addresses and networks: which of many networks holds an address most narrowly. Pure.

A table keeps one dictionary per prefix length, so a look-up costs a few dictionary reads however
many networks there are; answers are remembered, because addresses come again.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Generic, TypeVar

V = TypeVar("V")
Address = IPv4Address | IPv6Address

MAX_REMEMBERED: Final = 10_000
V6_BLOCK: Final = 64  # what one IPv6 customer holds at least: counted as one address
BLOCK: Final = "block"

# Any change of a live rule changes the version, its expiry too; the clock is the database's.
RULES_VERSION_SQL: Final = """
SELECT md5(coalesce(string_agg(id::text || ':' || xmin::text, ',' ORDER BY id), ''))
  FROM apikeys_iprule WHERE expires_at IS NULL OR expires_at > statement_timestamp()
"""
RULES_SQL: Final = """
SELECT network, kind FROM apikeys_iprule
 WHERE expires_at IS NULL OR expires_at > statement_timestamp()
"""
# A text that inet does not take would be an error of every request: only what it surely takes is
# cast. As in a table of rules, a zone says nothing and what is no network is left out.
BYTE: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
WORDS: Final = "[0-9a-f]{1,4}(:[0-9a-f]{1,4})*"
IS_INET: Final = (
    rf"^{BYTE}(\.{BYTE}){{3}}(/([12]?[0-9]|3[0-2]))?$"
    rf"|^(([0-9a-f]{{1,4}}:){{7}}[0-9a-f]{{1,4}}|(?!(.*:){{8}})({WORDS})?::({WORDS})?)"
    r"(/([1-9]?[0-9]|1[01][0-9]|12[0-8]))?$"
)
DECIDING_RULE_SQL: Final = f"""
SELECT kind FROM (
  SELECT kind, CASE WHEN bare ~* '{IS_INET}' THEN bare::inet END AS network
    FROM (SELECT kind, regexp_replace(network, '%%[^/]*', '') AS bare FROM apikeys_iprule
           WHERE expires_at IS NULL OR expires_at > statement_timestamp()) AS live
) AS rules
 WHERE network >>= %s::inet ORDER BY masklen(network) DESC LIMIT 1
"""  # noqa: S608  of constants


def parse_address(text: str) -> Address | None:
    """IPv4-mapped IPv6 is unwrapped and a zone is dropped; None for anything else."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def block_of(text: str) -> str:
    """What failures are counted under: an IPv4 address, or the /64 of an IPv6 one."""
    address = parse_address(text)
    if address is None or address.version == 4:
        return str(address or text)
    return str(ip_network((int(address), V6_BLOCK), strict=False))


class NetworkTable(Generic[V]):
    """Values by network. ``find`` gives that of the narrowest network that holds an address."""

    __slots__ = ("lengths", "size")

    def __init__(self, entries: Iterable[tuple[str, V]] = ()) -> None:
        """ValueError for text that is no network. An IPv4-mapped one counts as IPv4."""
        found: dict[int, dict[int, dict[int, V]]] = {4: {}, 6: {}}
        self.size = 0
        for text, value in entries:
            version, first, length = parse_network(text)
            found[version].setdefault(length, {})[first] = value
            self.size += 1
        self.lengths = {
            version: [
                (bits - length, by_length[length]) for length in sorted(by_length, reverse=True)
            ]
            for version, bits, by_length in ((4, 32, found[4]), (6, 128, found[6]))
        }

    def find(self, address: Address) -> V | None:
        number = int(address)
        for shift, networks in self.lengths[address.version]:
            value = networks.get(number >> shift)
            if value is not None:
                return value
        return None


def parse_network(text: str) -> tuple[int, int, int]:
    """(version, the network's leading bits, prefix length)."""
    network = ip_network(text)
    first, length = int(network.network_address), network.prefixlen
    if isinstance(network.network_address, IPv6Address) and length >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return 4, int(mapped) >> (128 - length), length - 96
    return network.version, first >> (network.max_prefixlen - length), length


class AddressRules:
    """The global rules. ``version`` is what RULES_VERSION_SQL said of them; "" before any were."""

    __slots__ = ("known", "table", "version")

    def __init__(self) -> None:
        self.version = ""
        self.table: NetworkTable[str] = NetworkTable()
        self.known: dict[str, bool] = {}

    def replace(self, rows: Iterable[tuple[str, str]], version: str) -> list[str]:
        """Take over what was read; returns what is wrong with rows left out, one line each."""
        entries: list[tuple[str, str]] = []
        faults: list[str] = []
        for network, kind in rows:
            try:
                parse_network(network)
            except ValueError:
                faults.append(f"IP rule {network!r} was left out: it is no network")
            else:
                entries.append((network, kind))
        self.table, self.version, self.known = NetworkTable(entries), version, {}
        return faults

    def blocks(self, text: str) -> bool:
        """Is this address blocked? What is no address is not."""
        if not self.table.size:
            return False
        answer = self.known.get(text)
        if answer is None:
            address = parse_address(text)
            answer = address is not None and self.table.find(address) == BLOCK
            if len(self.known) >= MAX_REMEMBERED:
                self.known.clear()
            self.known[text] = answer
        return answer


@lru_cache(maxsize=4096)
def allow_list(networks: tuple[str, ...]) -> NetworkTable[bool]:
    """A key's own networks; a text that is none lets nobody in."""
    return NetworkTable((text, True) for text in networks if is_network(text))


def is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
