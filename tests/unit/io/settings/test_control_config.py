"""The keys of `[control]`: what reaches the settings, what is wrong on which line, and no secret anywhere."""

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any, Final

import pytest

from standfast.authority.remote import Remote
from standfast.control.rules.bounds import Bounds
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.drills.live.authority import ThrowawayAuthority
from standfast.io.settings import config
from standfast.io.settings.certificate_files import CertificateFiles
from standfast.io.settings.config import Config
from standfast.io.settings.control import ControlConfig, PublisherSettings, own_name
from standfast.io.settings.control_keys import Approval, PublisherKind, Role, RulesKeys
from standfast.io.settings.places import ConfigError

HOME: Final = {"XDG_STATE_HOME": "/xdg"}
SECRET: Final = "c2VjcmV0LXRoYXQtbm9ib2R5LW11c3Qtc2Vl"
WHOLE: Final = f"""
[control]
intent = ["shop.yaml"]
state_dir = "state"
store = "etcd:http://127.0.0.1:2379"
run = ["vantage", "planner"]
name = "eu-1"
quorum = 2
verify_every_s = 30
approval = "always"
resolvers = ["192.0.2.53"]
metrics = "127.0.0.1:9155"
[[control.publisher]]
name = "bind"
kind = "rfc2136"
server = "127.0.0.1:5353 key:Updater.example"
verify = ["127.0.0.1:5354", "192.0.2.55"]
[[control.publisher]]
name = "aws"
kind = "route53"
zone_ids = {{ "Example.com" = "Z123" }}
endpoint_url = "http://127.0.0.1:4566"
[[control.keys]]
name = "updater.example"
secret = "{SECRET}"
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("zones: {}\n")
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.54\n")


def load(tmp_path: Path, text: str) -> Config:
    (tmp_path / "standfast.toml").write_text(text)
    return config.load(tmp_path / "standfast.toml", environ=HOME, resolv_conf=tmp_path / "resolv.conf")


def control(tmp_path: Path, text: str) -> ControlConfig:
    found = load(tmp_path, text).control
    assert found is not None
    return found


def findings(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    found = [str(finding).removeprefix(f"{tmp_path}/standfast.toml:") for finding in caught.value.findings]
    assert SECRET not in "".join(found)
    return found


def test_every_key_reaches_the_settings(tmp_path: Path) -> None:
    assert control(tmp_path, WHOLE) == ControlConfig(
        intent=(tmp_path / "shop.yaml",),
        state_dir=tmp_path / "state",
        store="etcd:http://127.0.0.1:2379",
        run=frozenset({Role.PLANNER, Role.VANTAGE}),
        name="eu-1",
        quorum=2,
        verify_every_s=30,
        approval=Approval.ALWAYS,
        resolvers=(Server("192.0.2.53", 53),),
        metrics=Server("127.0.0.1", 9155),
        publishers=(
            PublisherSettings(
                name="bind",
                kind=PublisherKind.RFC2136,
                server=Remote(server=Server("127.0.0.1", 5353), key="updater.example."),
                verify=(
                    Server("127.0.0.1", 5354),
                    Server("192.0.2.55", 53),
                ),
            ),
            PublisherSettings(
                name="aws",
                kind=PublisherKind.ROUTE53,
                zone_ids={"example.com.": "Z123"},
                endpoint_url="http://127.0.0.1:4566",
            ),
        ),
        keys={
            "updater.example.": TsigKey(
                name="updater.example.", algorithm="hmac-sha256", secret=base64.b64decode(SECRET)
            )
        },
    )


def test_what_is_left_out_fits_one_machine(tmp_path: Path) -> None:
    found = load(tmp_path, '[control]\nintent = ["shop.yaml"]')
    assert found.control == ControlConfig(
        intent=(tmp_path / "shop.yaml",),
        state_dir=Path("/xdg/standfast/control"),
        run=frozenset(Role),
        name=found.control.name if found.control else "",
        resolvers=(Server("192.0.2.54", 53),),
    )


def test_with_a_control_plane_alone_there_is_no_guard(tmp_path: Path) -> None:
    alone = load(tmp_path, '[control]\nintent = ["shop.yaml"]')
    assert (alone.has_guard, alone.upstreams, alone.authority) == (False, (), None)
    assert load(tmp_path, '[guard]\n[control]\nintent = ["shop.yaml"]').has_guard


def test_what_is_wanted_may_stand_in_the_same_file_with_its_lines(tmp_path: Path) -> None:
    found = control(tmp_path, '[control]\n[intent.zones]\n"example.com" = { publishers = [] }')
    assert found.written is not None
    assert found.written.content == {"zones": {"example.com": {"publishers": []}}}
    assert found.written.lines[("zones", "example.com", "publishers")] == 3


def test_settings_are_shown_in_the_words_of_the_file_and_without_a_secret(tmp_path: Path) -> None:
    shown: Any = config.describe(load(tmp_path, WHOLE))["control"]
    assert SECRET not in json.dumps(shown)
    assert shown["publisher"][0]["server"] == "127.0.0.1:5353 key:updater.example."
    assert shown["run"] == ["planner", "vantage"]
    assert {"intent", "state_dir", "store", "name", "quorum", "verify_every_s", "approval", "rules"} <= shown.keys()


def test_the_bounds_of_rules_have_the_same_names_in_the_file(tmp_path: Path) -> None:
    assert list(RulesKeys.model_fields) == [each.name for each in dataclasses.fields(Bounds)]
    assert Bounds(**RulesKeys().model_dump()) == Bounds()


@pytest.mark.parametrize("host", ["eu-1.example.net", "x" * 70, "ü_1", ""])
def test_a_machine_always_has_a_name_that_fits(host: str, tmp_path: Path) -> None:
    named = own_name(host)
    assert control(tmp_path, f'[control]\nintent = ["shop.yaml"]\nname = "{named}"').name == named


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[control]", '1: [control] lacks "intent" - name the file that says what is wanted, or write [intent] right'),
        ('[intent.zones."example.com"]', "1: [intent] counts for nothing without [control]"),
        ('[control]\nintent = ["nope.yaml"]', "2: intent: {tmp}/nope.yaml cannot be read: "),
        ('[control]\nintent = ["shop.yaml", "shop.yaml"]', '2: intent: "shop.yaml" is there already'),
        ('[control]\nintnet = ["shop.yaml"]', 'unknown key "intnet" in [control] - did you mean "intent"?'),
        ('[control]\nstore = "postgres"', '2: store: "postgres" is no store - there are "sqlite" and "etcd:http'),
        ('[control]\nstore = "etcd:127.0.0.1:2379"', '2: store: "127.0.0.1:2379" is no URL - write it like "http'),
        ('[control]\nstore = "etcd:http://a:b@127.0.0.1"', "2: store: no password belongs into it"),
        ('[control]\nrun = ["enactr"]', 'not "enactr" - did you mean "enactor"?'),
        ('[control]\nrun = ["planner", "planner"]', '2: run: "planner" is there already'),
        ("[control]\nrun = []", "2: run is empty"),
        ('[control]\nname = "a b"', '2: name: "a b" - write 1 to 32 letters, digits, "-", "_" and "."'),
        ("[control]\nquorum = 0", "2: quorum must be at least 1, not 0"),
        ("[control]\nverify_every_s = 0", "2: verify_every_s must be at least 1, not 0"),
        ('[control]\napproval = "never"', '2: approval must be "findings" or "always", not "never"'),
        ('[control]\nca_file = "nope.pem"', "2: ca_file: {tmp}/nope.pem cannot be read"),
        ('[control]\nmetrics = "0.0.0.0:9155"', '2: metrics: others can reach "0.0.0.0:9155"'),
        ('[[control.publisher]]\nname = "own"', '1: [[control.publisher]] lacks "kind"'),
        ('[[control.publisher]]\nname = "x"\nkind = "bind"', 'kind must be "authority", "rfc2136" or "route53", not'),
        (
            '[[control.publisher]]\nname = "own"\nkind = "authority"',
            '3: kind: "own" is the [authority] of this file, which has none - add it, or reach one that runs elsewhere',
        ),
        ('[[control.publisher]]\nname = "x"\nkind = "rfc2136"', '2: "x" lacks "server" - name its primary'),
        (
            '[[control.publisher]]\nname = "x"\nkind = "route53"\nserver = "192.0.2.1"',
            '4: server is for kind "rfc2136", and "x" is none',
        ),
        (
            '[[control.publisher]]\nname = "x"\nkind = "rfc2136"\nserver = "192.0.2.1 key:a.example"',
            '4: server: "192.0.2.1 key:a.example" names a key that is not there - add it with [[control.keys]]',
        ),
        (
            '[[control.publisher]]\nname = "x"\nkind = "route53"\n[[control.publisher]]\nname = "x"\nkind = "route53"',
            '5: name: "x" is there already, in line 2',
        ),
        ('[[control.publisher]]\nname = "x"\nkind = "route53"\nzone_ids = { "a..b" = "Z" }', "4: zone_ids: "),
        ('[[control.publisher]]\nname = "x"\nkind = "route53"\nendpoint_url = "x"', '4: endpoint_url: "x" is no URL'),
        (f'[[control.keys]]\nname = "a"\nsecret = "{SECRET}!"', "3: secret: this is not base64"),
        ('[[control.keys]]\nname = "a"', '1: secret: "a." needs either secret or secret_file'),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, expected: str, tmp_path: Path) -> None:
    found = findings(tmp_path, text)
    assert any(expected.replace("{tmp}", str(tmp_path)) in each for each in found), found


def test_etcd_is_shown_a_certificate_and_no_other_store_is(tmp_path: Path) -> None:
    shown = ThrowawayAuthority.create(tmp_path / "ca").issue(["standfast.example"], has_subject=False)
    other = ThrowawayAuthority.create(tmp_path / "other").issue(["standfast.example"])
    etcd = '[control]\nintent = ["shop.yaml"]\nstore = "etcd:https://127.0.0.1:2379"\n'
    certificate, key = f'store_certificate = "{shown.cert_file}"\n', f'store_key = "{shown.key_file}"\n'
    assert control(tmp_path, etcd + certificate + key).store_certificate == CertificateFiles(
        certificate=shown.cert_file, key=shown.key_file
    )
    assert findings(tmp_path, etcd + certificate)[0].startswith("4: store_certificate is of no use without store_key")
    assert findings(tmp_path, etcd + key)[0].startswith("4: store_key is of no use without store_certificate")
    assert findings(tmp_path, f'[control]\nintent = ["shop.yaml"]\n{certificate}{key}') == [
        '3: store_certificate: it is shown to etcd, and the store is "sqlite"'
    ]
    found = findings(tmp_path, f'{etcd}{certificate}store_key = "nope.key"')
    assert found[0].startswith(f"5: store_key: {tmp_path}/nope.key cannot be read")
    found = findings(tmp_path, f'{etcd}{certificate}store_key = "{other.key_file}"')
    assert found[0] == f"5: store_key: {other.key_file} is not the key of {shown.cert_file}"


def test_one_process_has_one_authority(tmp_path: Path) -> None:
    (tmp_path / "example.org.zone").write_text("@ 60 SOA ns hostmaster 1 3600 600 86400 60\n")
    text = """[authority]
zones = ["example.org.zone"]
[control]
intent = ["shop.yaml"]
[[control.publisher]]
name = "own"
kind = "authority"
[[control.publisher]]
name = "other"
kind = "authority"
"""
    assert findings(tmp_path, text) == ['10: kind: the [authority] of this file is "own" already']


@pytest.mark.parametrize(
    ("kind", "primary", "expected"),
    [
        (PublisherKind.AUTHORITY, None, ["127.0.0.1:53", "192.0.2.55:53"]),
        (PublisherKind.RFC2136, Remote(server=Server("192.0.2.1", 53)), ["192.0.2.1:53", "192.0.2.55:53"]),
        (PublisherKind.ROUTE53, None, ["192.0.2.55:53"]),
    ],
)
def test_our_own_servers_must_show_what_is_published_at_our_own_authority_and_nothing_else(
    kind: PublisherKind, primary: Remote | None, expected: list[str]
) -> None:
    publisher = PublisherSettings(name="there", kind=kind, server=primary, verify=(Server("192.0.2.55", 53),))
    assert [str(each) for each in publisher.servers((Server("127.0.0.1", 53),))] == expected
