"""Publishers made of their settings, and what is said of those that cannot be had in this process."""

import sys
from pathlib import Path

import pytest

from standfast.authority.remote import Remote
from standfast.control.updates import OCTETS_MAX
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.control.publishers.build import PublisherUnusable, build_publishers
from standfast.io.settings.control import ControlConfig, PublisherSettings
from standfast.io.settings.control_keys import PublisherKind

KEY = TsigKey(name="updater.example.", algorithm="hmac-sha256", secret=b"s" * 32)
OWN = PublisherSettings(name="own", kind=PublisherKind.AUTHORITY)
BIND = PublisherSettings(
    name="bind", kind=PublisherKind.RFC2136, server=Remote(server=Server("127.0.0.1", 5353), key=KEY.name)
)
AWS = PublisherSettings(name="aws", kind=PublisherKind.ROUTE53, endpoint_url="http://127.0.0.1:4566")


def config(*publishers: PublisherSettings) -> ControlConfig:
    return ControlConfig(intent=(), state_dir=Path("state"), publishers=publishers, keys={KEY.name: KEY})


def test_each_kind_has_its_own_limits() -> None:
    built = build_publishers(config(BIND, AWS), served=None)
    assert [(name, each.facts.name, each.facts.fenced) for name, each in built.items()] == [
        ("bind", "bind", True),
        ("aws", "aws", True),
    ]
    assert built["bind"].facts.limits.octets_max == OCTETS_MAX
    assert built["aws"].facts.limits.records_max == 1_000


def test_the_authority_of_another_process_is_told_to_be_reached_otherwise() -> None:
    with pytest.raises(PublisherUnusable, match=r'publisher "own": .* by kind rfc2136'):
        build_publishers(config(BIND, OWN), served=None)


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("boto", "standfast.io.control.publishers.route53"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("boto3", "botocore"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PublisherUnusable, match=r'pip install "standfast\[aws\]"'):
        build_publishers(config(AWS), served=None)


def test_settings_of_aws_that_lead_nowhere_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    with pytest.raises(PublisherUnusable, match=r"not-there.*AWS_PROFILE"):
        build_publishers(config(AWS), served=None)
