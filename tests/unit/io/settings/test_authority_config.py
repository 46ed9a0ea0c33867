"""The keys of `[authority]`: what they mean together, what is wrong on which line, and no secret anywhere."""

import base64
import json
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest

from standfast.authority.access import Access, ZoneRules
from standfast.authority.remote import Remote
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.settings import config
from standfast.io.settings.authority import AuthorityConfig
from standfast.io.settings.places import ConfigError

HOME: Final = {"XDG_STATE_HOME": "/home/nobody/state"}
SECRET: Final = "c2VjcmV0LXRoYXQtbm9ib2R5LW11c3Qtc2Vl"
OCTETS: Final = base64.b64decode(SECRET)
KEYS: Final = f"""
[[authority.keys]]
name = "Secondary.example"
secret = "{SECRET}"
[[authority.keys]]
name = "updater.example"
algorithm = "hmac-sha512"
secret_file = "updater.key"
"""
WHOLE: Final = (
    """
[authority]
zones = ["example.org.zone", "example.com.zone"]
allow_transfer = ["key:SECONDARY.example", "127.0.0.0/8"]
notify = ["127.0.0.1:5311", "[::1]:5312  key:secondary.example"]
[[authority.zone]]
origin = "Example.org"
allow_transfer = []
allow_update = ["key:updater.example"]
[[authority.zone]]
origin = "example.net"
notify = []
primaries = ["127.0.0.1:5313 key:secondary.example"]
[[authority.promise]]
name = "www.example.net"
"""
    + KEYS
)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "updater.key").write_text(SECRET[:10] + "\n" + SECRET[10:] + "\n")
    for origin in ("example.org", "example.com"):
        (tmp_path / f"{origin}.zone").write_text("@ 60 SOA ns hostmaster 1 3600 600 86400 60\n")


def load(tmp_path: Path, text: str) -> AuthorityConfig:
    (tmp_path / "standfast.toml").write_text(text)
    found = config.load(tmp_path / "standfast.toml", environ=HOME).authority
    assert found is not None
    return found


def findings(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    found = [str(finding).removeprefix(f"{tmp_path}/standfast.toml:") for finding in caught.value.findings]
    assert SECRET not in "".join(found)
    return found


def test_rules_of_a_zone_take_the_place_of_those_of_all(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    remotes = (
        Remote(server=Server("127.0.0.1", 5311)),
        Remote(server=Server("::1", 5312), key="secondary.example."),
    )
    access = Access(keys=frozenset({"secondary.example."}), networks=(ip_network("127.0.0.0/8"),))
    promises = found.default_rules.promises
    assert found.default_rules == ZoneRules(allow_transfer=access, notify=remotes, promises=promises)
    assert found.rules == {
        "example.org.": ZoneRules(
            allow_update=Access(keys=frozenset({"updater.example."})), notify=remotes, promises=promises
        ),
        "example.net.": ZoneRules(
            allow_transfer=access,
            primaries=(Remote(server=Server("127.0.0.1", 5313), key="secondary.example."),),
            promises=promises,
        ),
    }
    assert [promise.name for promise in promises] == ["www.example.net."]


def test_keys_have_their_secrets_from_the_file_or_from_one_of_their_own(tmp_path: Path) -> None:
    assert load(tmp_path, WHOLE).keys == {
        "secondary.example.": TsigKey(name="secondary.example.", algorithm="hmac-sha256", secret=OCTETS),
        "updater.example.": TsigKey(name="updater.example.", algorithm="hmac-sha512", secret=OCTETS),
    }


def test_nobody_may_do_anything_and_nothing_is_kept_unless_it_is_said(tmp_path: Path) -> None:
    found = load(tmp_path, '[authority]\nzones = ["example.org.zone"]\n')
    assert (found.default_rules, found.rules, found.keys) == (ZoneRules(), {}, {})
    assert not found.needs_state


def test_what_is_planned_here_is_kept(tmp_path: Path) -> None:
    publisher = '[[control.publisher]]\nname = "own"\nkind = "authority"\n'
    (tmp_path / "intent.yaml").write_text("zones: {example.org: {publishers: [own]}}\n")
    text = '[authority]\nzones = ["example.org.zone"]\n[control]\nintent = ["intent.yaml"]\n'
    assert load(tmp_path, text + publisher).needs_state


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "/home/nobody/state/standfast/authority"),
        ('state_dir = "zones-state"', "{base}/zones-state"),
        ('state_dir = "/var/lib/zones"', "/var/lib/zones"),
    ],
)
def test_state_lies_in_a_directory_of_its_own(tmp_path: Path, text: str, place: str) -> None:
    found = load(tmp_path, f'[authority]\nzones = ["example.org.zone"]\nallow_update = ["::1"]\n{text}\n')
    assert found.needs_state
    assert str(found.state_dir) == place.format(base=tmp_path)


def test_a_secret_is_in_nothing_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / "standfast.toml").write_text(WHOLE)
    found = config.load(tmp_path / "standfast.toml", environ=HOME)
    shown = json.dumps(config.describe(found)) + repr(found)
    assert "secondary.example." in shown
    assert SECRET not in shown
    assert str(OCTETS) not in shown


def test_what_is_shown_can_be_written_again(tmp_path: Path) -> None:
    (tmp_path / "standfast.toml").write_text(WHOLE)
    shown = config.describe(config.load(tmp_path / "standfast.toml", environ=HOME))["authority"]
    assert isinstance(shown, dict)
    assert shown["allow_transfer"] == ["key:secondary.example.", "127.0.0.0/8"]
    assert shown["notify"] == ["127.0.0.1:5311", "[::1]:5312 key:secondary.example."]
    assert shown["keys"][1] == {"name": "updater.example.", "algorithm": "hmac-sha512"}
    assert shown["zone"][1]["primaries"] == ["127.0.0.1:5313 key:secondary.example."]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('allow_transfer = ["key:nobody"]', '3: allow_transfer: "key:nobody" names a key that is not there'),
        ('notify = ["192.0.2.1", "192.0.2.2 key:nobody"]', '3: notify: "192.0.2.2 key:nobody" names a key that is not'),
        ('allow_update = ["nobody"]', '3: allow_update: "nobody" is not a network'),
        ('allow_update = ["key:"]', '3: allow_update: "key:" names no key: it is empty'),
        ('allow_transfer = ["192.0.2.1/24"]', '3: allow_transfer: "192.0.2.1/24" is an address within a network'),
        ('notify = ["ns.example.org"]', '3: notify: "ns.example.org" is a host name'),
        ('notify = ["0.0.0.0"]', '3: notify: "0.0.0.0" is not the address of one server'),
        ('notify = ["192.0.2.1 secondary"]', '3: notify: "192.0.2.1 secondary": behind the address there can be a key'),
        ('notify = ["127.0.0.1:5310"]', '3: notify: "127.0.0.1:5310" is this server itself'),
        ('[[authority.zone]]\norigin = "example.net"', '4: origin: none of the zones is "example.net."'),
        ("[[authority.zone]]\nallow_update = []", '3: [[authority.zone]] lacks "origin"'),
        (
            '[[authority.zone]]\norigin = "example.org"\nprimaries = ["192.0.2.1"]',
            '5: primaries: "example.org." is in a file as well',
        ),
        (
            '[[authority.zone]]\norigin = "example.org"\n[[authority.zone]]\norigin = "Example.org"',
            '6: origin: "example.org." has a table already, in line 4',
        ),
        ('[[authority.keys]]\nname = "a"', '3: secret: "a." needs either secret or secret_file'),
        ('[[authority.keys]]\nname = "a"\nsecret = "AAAA"\nsecret_file = "f"', '6: secret_file: "a." needs either'),
        ('[[authority.keys]]\nname = "a"\nsecret = "not base64"', "5: secret: this is not base64"),
        ('[[authority.keys]]\nname = "a"\nsecret = ""', "5: secret: it is empty"),
        ('[[authority.keys]]\nname = "a"\nsecret = 12345', "5: secret must be a text in quotes, not what it is"),
        ('[[authority.keys]]\nname = "a"\nsecret_file = "none"', "5: secret_file: {base}/none cannot be read"),
        ('[[authority.keys]]\nname = "a"\nalgorithm = "hmac-md5"', "5: algorithm: hmac-md5 is not for use any more"),
        (
            '[[authority.keys]]\nname = "a"\nalgorithm = "rsa"',
            '5: algorithm: "rsa" is not known here - there are hmac-',
        ),
        (
            '[[authority.keys]]\nname = "a"\nsecret = "AAAA"\n[[authority.keys]]\nname = "A."\nsecret = "AAAA"',
            '7: name: "a." is there already, in line 4',
        ),
        ('[[authority.keys]]\nsecret = "AAAA"', '3: [[authority.keys]] lacks "name"'),
        ('[authority.keys]\nsecret = "AAAA"', "3: keys must be written with two brackets: [[authority.keys]]"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, finding: str) -> None:
    found = findings(tmp_path, f'[authority]\nzones = ["example.org.zone"]\n{text}\n')
    assert any(each.startswith(finding.format(base=tmp_path)) for each in found), found


@pytest.mark.parametrize("octets", [b"\xff\xfe", b"A" * 5000, b"not base64!"], ids=["binary", "large", "not base64"])
def test_a_file_that_holds_no_secret_is_told_of_without_what_is_in_it(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "updater.key").write_bytes(octets)
    (found,) = findings(tmp_path, WHOLE)
    assert "secret_file: " in found
    assert "AAAA" not in found


def test_several_faults_are_told_at_once_and_in_order(tmp_path: Path) -> None:
    text = WHOLE.replace("127.0.0.0/8", "nowhere").replace('"hmac-sha512"', '"hmac-sha1"').replace("5311", "99999")
    lines = [int(each.partition(":")[0]) for each in findings(tmp_path, text)]
    assert lines == [4, 5, 22]


def test_metrics_are_read_where_nothing_else_is_and_only_by_who_may(tmp_path: Path) -> None:
    assert load(tmp_path, WHOLE).metrics is None
    text = WHOLE.replace("[authority]\n", '[authority]\nlisten = ["127.0.0.1:5319"]\nmetrics = "{}"\n')
    assert load(tmp_path, text.replace("{}", "127.0.0.1:9154")).metrics == Server("127.0.0.1", 9154)
    assert findings(tmp_path, text.replace("{}", "127.0.0.1:5319")) == [
        '4: metrics: "127.0.0.1:5319" is taken by listen (127.0.0.1:5319), by TCP as well - choose another port'
    ]
    assert findings(tmp_path, text.replace("{}", "192.0.2.1:9154")) == [
        '4: metrics: others can reach "192.0.2.1:9154" - if they may, add metrics_beyond_loopback = true'
    ]
    both = text.replace("{}", "127.0.0.1:9153") + '[guard]\nupstreams = ["192.0.2.53"]\nmetrics = "127.0.0.1:9153"\n'
    assert "is taken by listen" in findings(tmp_path, both)[0]


@pytest.mark.parametrize(("text", "octets"), [("ns1.fra", b"ns1.fra"), ("0x6e7331ff", b"ns1\xff"), ("", b"")])
def test_a_server_calls_itself_by_text_or_by_octets(tmp_path: Path, text: str, octets: bytes) -> None:
    assert load(tmp_path, f'[authority]\nzones = ["example.org.zone"]\nnsid = "{text}"\n').nsid == octets


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0xabc", '"0xabc" does not have two hexadecimal digits for each octet'),
        ("0xgg", '"0xgg" does not have two hexadecimal digits for each octet'),
        ("x" * 65, "at most 64 octets, and this has 65"),
    ],
)
def test_what_no_server_can_call_itself_is_told(tmp_path: Path, text: str, why: str) -> None:
    (found,) = findings(tmp_path, f'[authority]\nzones = ["example.org.zone"]\nnsid = "{text}"\n')
    assert found == f"3: nsid: {why}"
