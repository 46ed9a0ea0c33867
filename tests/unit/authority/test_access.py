"""Who may: by key, by network, and by default nobody."""

from ipaddress import ip_network

import pytest

from standfast.authority.access import NO_RULES, Access

ACCESS = Access(
    keys=frozenset({"secondary.example."}), networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
)


@pytest.mark.parametrize(
    ("address", "key", "may"),
    [
        ("192.0.2.7", None, True),
        ("192.0.2.7", "other.example.", True),
        ("198.51.100.1", "secondary.example.", True),
        ("198.51.100.1", "other.example.", False),
        ("198.51.100.1", None, False),
        ("2001:db8::1", None, True),
        ("fe80::1%lo", None, False),
        ("::ffff:192.0.2.7", None, False),
    ],
)
def test_a_key_or_a_network_is_enough(address: str, key: str | None, may: bool) -> None:
    assert ACCESS.admits(address, key) is may


def test_nobody_may_do_anything_unless_it_is_said() -> None:
    assert not NO_RULES.allow_transfer.admits("127.0.0.1", "any.")
    assert not NO_RULES.allow_update.admits("127.0.0.1", None)
