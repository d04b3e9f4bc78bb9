"""Networks: the narrowest one decides; every form of an address is one address."""

import pytest

from apikeys.gate.addresses import (
    AddressRules,
    NetworkTable,
    allow_list,
    block_of,
    parse_address,
)


@pytest.mark.parametrize(
    ("address", "blocked"),
    [
        ("192.0.2.1", True),
        ("192.0.2.77", False),  # its /32 allows it
        ("192.0.2.66", True),  # its /30 blocks it within the allowed /28
        ("192.0.2.70", False),
        ("198.51.100.1", False),
        ("::ffff:192.0.2.1", True),
        ("::ffff:c000:201", True),
        ("2001:db8::1", True),
        ("2001:db8:1::1", False),
        ("2001:db8::1%eth0", True),
        ("", False),
        ("unix", False),
    ],
)
def test_the_narrowest_network_decides(address, blocked):
    made = AddressRules()
    made.replace(
        [
            ("192.0.2.0/24", "block"),
            ("192.0.2.64/28", "allow"),
            ("192.0.2.64/30", "block"),
            ("192.0.2.77/32", "allow"),
            ("2001:db8::/32", "block"),
            ("2001:db8:1::/48", "allow"),
        ],
        "1",
    )

    assert made.blocks(address) is blocked
    assert made.blocks(address) is blocked  # remembered


def test_a_rule_for_everything_is_the_widest():
    made = AddressRules()
    made.replace([("0.0.0.0/0", "block"), ("192.0.2.1/32", "allow"), ("::/0", "block")], "1")

    assert [made.blocks(a) for a in ("192.0.2.1", "192.0.2.2", "::1")] == [False, True, True]


def test_an_ipv4_mapped_network_is_an_ipv4_network():
    made = AddressRules()
    made.replace([("::ffff:192.0.2.0/120", "block")], "1")

    assert made.blocks("192.0.2.9")
    assert not made.blocks("192.0.3.9")


def test_new_rules_take_the_place_of_remembered_answers():
    made = AddressRules()
    made.replace([("192.0.2.0/24", "block")], "1")
    assert made.blocks("192.0.2.1")

    made.replace([], "2")

    assert not made.blocks("192.0.2.1")


def test_what_is_no_network_is_left_out_and_said():
    made = AddressRules()

    faults = made.replace([("nonsense", "block"), ("192.0.2.1/24", "block")], "1")

    assert len(faults) == 2
    assert not made.blocks("192.0.2.1")


def test_a_broken_allow_list_lets_nobody_in():
    assert allow_list(("nonsense",)).find(parse_address("192.0.2.1")) is None
    assert allow_list(("192.0.2.0/24", "x")).find(parse_address("192.0.2.1"))


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:ffff::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1::2", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_failures_are_counted_per_address_or_ipv6_64(address, block):
    assert block_of(address) == block


def test_an_empty_table_finds_nothing():
    assert NetworkTable().find(parse_address("192.0.2.1")) is None
