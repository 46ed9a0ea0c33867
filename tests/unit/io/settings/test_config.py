"""What `standfast.toml` may say, what is found wrong in it, and what holds where it is silent."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.authority.access import ZoneRules
from standfast.authority.checks import Promise
from standfast.dns.name import parse_name
from standfast.dns.servers import Server, Transport
from standfast.drills.live.authority import Certificate, ThrowawayAuthority, issue_self_signed
from standfast.evidence.model import ProbeSpec
from standfast.guard.policy import BogusMode, Mode, Policy
from standfast.io.clients.limits import ALLOW_DEFAULT, EVERYBODY, Limits
from standfast.io.settings import addresses, config
from standfast.io.settings.addresses import ListenAddress
from standfast.io.settings.authority import AuthorityConfig
from standfast.io.settings.certificate_files import CertificateFiles
from standfast.io.settings.config import Config
from standfast.io.settings.config_file import read
from standfast.io.settings.places import ConfigError, find_config, find_state_dir

HOME = {"XDG_STATE_HOME": "/xdg"}


def load(tmp_path: Path, text: str, resolv_conf: str = "nameserver 192.0.2.53\n") -> Config:
    (tmp_path / "standfast.toml").write_text(text)
    (tmp_path / "resolv.conf").write_text(resolv_conf)
    return config.load(tmp_path / "standfast.toml", environ=HOME, resolv_conf=tmp_path / "resolv.conf")


def findings(tmp_path: Path, text: str, resolv_conf: str = "nameserver 192.0.2.53\n") -> list[str]:
    """Return what is wrong with `text`, each as `line: text`."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, resolv_conf)
    prefix = f"{tmp_path}/standfast.toml:"
    return [str(finding).removeprefix(prefix) for finding in caught.value.findings]


# What it may say

WHOLE = """
[guard]
listen = ["127.0.0.1:5300", "[::1]:5300"]
workers = 2
upstreams = ["127.0.0.1:5301", "127.0.0.1:5302"]
second_opinions = ["127.0.0.1:5303"]
allow = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]
rate_limit_qps = 50
state_dir = "./state"
client_timeout_s = 1.5
cache_max = 10
known_max = 20
metrics = "0.0.0.0:9153"
metrics_beyond_loopback = true
traces = "http://127.0.0.1:4318/v1/traces"
[map]
queries_per_minute = 120
[[guard.policy]]
suffix = "."
grace_s = 900
[[guard.policy]]
suffix = "Payments.Example.ORG"
mode = "observe"
grace_s = 1
hold_max_s = 2.5
stale_max_s = 3
held_ttl_s = 4
negative_ttl_max_s = 5
probe = { kind = "tcp", port = 5432 }
pinned = true
addresses_min = 2
steady_s = 6
provisional_s = 7
ttl_min_s = 8
recheck_min_s = 9
recheck_max_s = 10
bogus = "servfail"
"""


def test_every_key_of_a_file_reaches_the_settings(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    assert found == Config(
        source=tmp_path / "standfast.toml",
        has_guard=True,
        authority=None,
        listen=(ListenAddress(Server("127.0.0.1", 5300)), ListenAddress(Server("::1", 5300))),
        workers=2,
        upstreams=(Server("127.0.0.1", 5301), Server("127.0.0.1", 5302)),
        second_opinions=(Server("127.0.0.1", 5303),),
        limits=Limits(
            allow=tuple(map(ip_network, ("192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"))), rate_limit_qps=50
        ),
        state_dir=tmp_path / "state",
        ca_file=None,
        certificate=None,
        client_timeout_s=1.5,
        cache_max=10,
        known_max=20,
        metrics=Server("0.0.0.0", 9153),
        traces="http://127.0.0.1:4318/v1/traces",
        survey_pause_s=0.5,
        policies=found.policies,
    )
    assert found.policy_table.lookup("www.payments.example.org.") == Policy(
        mode=Mode.OBSERVE,
        grace_s=1,
        hold_max_s=2.5,
        stale_max_s=3,
        held_ttl_s=4,
        negative_ttl_max_s=5,
        probe=ProbeSpec(kind="tcp", port=5432),
        pinned=True,
        addresses_min=2,
        steady_s=6,
        provisional_s=7,
        ttl_min_s=8,
        recheck_min_s=9,
        recheck_max_s=10,
        bogus=BogusMode.SERVFAIL,
    )


@pytest.mark.parametrize(
    ("address", "finding"),
    [
        ("127.0.0.1:4318", "is no address of a collector"),
        ("http:///v1/traces", "is no address of a collector"),
        ("http://[::1/v1/traces", "is no address of a collector"),
        ("http://127.0.0.1:99999/v1/traces", "is no address of a collector"),
        ("https://who:secret@collector.example/v1/traces", "no password belongs into it"),
    ],
)
def test_the_address_of_a_collector_is_checked(tmp_path: Path, address: str, finding: str) -> None:
    with pytest.raises(ConfigError, match=finding) as raised:
        load(tmp_path, f'[guard]\ntraces = "{address}"\n')
    assert "secret" not in str(raised.value)


def test_traces_without_their_libraries_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("standfast.io.settings.config_rules.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"toml:2: traces: .* pip install 'standfast\[otel\]'"):
        load(tmp_path, '[guard]\ntraces = "http://127.0.0.1:4318/v1/traces"\n')


def test_what_a_policy_leaves_out_comes_from_the_next_suffix_up(tmp_path: Path) -> None:
    table = load(
        tmp_path,
        """
        [[guard.policy]]
        suffix = "."
        held_ttl_s = 7
        [[guard.policy]]
        suffix = "example.org"
        grace_s = 60
        """,
    ).policy_table
    assert table.lookup("www.example.org.") == Policy(held_ttl_s=7, grace_s=60)


def test_relative_paths_start_from_the_file_and_not_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc" / "standfast.toml").write_text('[guard]\nupstreams=["192.0.2.1"]\nstate_dir = "state"\n')
    relative = Path("etc/standfast.toml")
    assert config.load(relative, environ={}).state_dir == tmp_path / "etc" / "state"
    assert find_state_dir(relative, environ={}) == tmp_path / "etc" / "state"


def test_where_no_network_is_named_private_ones_are_served_and_the_internet_is_not(tmp_path: Path) -> None:
    limits = load(tmp_path, "").limits
    assert limits == Limits(allow=ALLOW_DEFAULT)
    assert not any(network.is_global for network in limits.allow)
    assert limits.rate_limit_qps > 0


@pytest.mark.parametrize("text", ["", "[guard]\n", "[guard.tls]\n"])
def test_an_empty_file_is_fine(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).upstreams == (Server("192.0.2.53"),)


# What is found wrong in it


def test_all_findings_come_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """\
[guard]
listen = ["127.0.0.1:5300", "localhost:53"]
upsteams = ["127.0.0.1:5301"]
upstreams = [
  "quic://192.0.2.1",
  "127.0.0.1:5300",   # ourselves
  "192.0.2.1:70000",
  "192.0.2.1", "192.0.2.1:53",
]
second_opinions = "192.0.2.2"
client_timeout_s = "1.8"
grace_s = 3
cache_max = 0
[guard.tls]
cafile = "ca.pem"
[[guard.policy]]
suffix = "."
mode = "hodl"
probe = { knid = "tls", port = 70000 }
[[guard.policy]]
mode = "hold"
[[guard.policy]]
suffix = "a..example"
pinned = 1
[[guard.policy]]
suffix = "example.org"
addresses_min = 2
recheck_min_s = 600
[[guard.policy]]
suffix = "EXAMPLE.org."
[gaurd]
"""
    assert findings(tmp_path, text) == [
        '2: listen: "localhost:53" is a host name - give its IP address: to look the name up, a resolver is '
        "needed first",
        '3: unknown key "upsteams" in [guard] - did you mean "upstreams"?',
        '5: upstreams: "quic://192.0.2.1": quic:// is not known here - give an address like "192.0.2.1:53"',
        '6: upstreams: "127.0.0.1:5300" is this guard itself, which listens on 127.0.0.1:5300 - asking it would '
        "be a loop",
        '7: upstreams: "192.0.2.1:70000" needs a port from 1 to 65535',
        '8: upstreams: "192.0.2.1:53" is in upstreams already',
        '10: second_opinions must be a list in brackets, like ["192.0.2.2"]',
        '11: client_timeout_s must be a number, not "1.8"',
        '12: unknown key "grace_s" in [guard] - it belongs in [[guard.policy]]',
        "13: cache_max must be at least 1, not 0",
        '15: unknown key "cafile" in [guard.tls] - did you mean "ca_file"?',
        '18: mode must be "hold", "observe" or "off", not "hodl" - did you mean "hold"?',
        "19: port must be at most 65535, not 70000",
        '19: unknown key "knid" in probe - did you mean "kind"?',
        '20: [[guard.policy]] lacks "suffix"',
        '23: suffix: "a..example" is not a domain name: A DNS label is empty',
        "24: pinned must be true or false, not 1",
        "27: addresses_min counts for pinned names only - add pinned = true",
        "28: recheck_min_s (600) is more than recheck_max_s (300) for example.org.",
        '30: suffix: "example.org." has a policy already, in line 26',
        '31: unknown key "gaurd" in the file - did you mean "guard"?',
    ]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('[guard]\nlisten = ["127.0.0.1:5300"', "2: this is not TOML: Unclosed array"),
        ("[guard]\nlisten = \n[x]", "2: this is not TOML: Invalid value"),
        ("[guard]\ncache_max = 1\ncache_max = 2\n", "3: this is not TOML: Cannot overwrite a value"),
        ("guard = 3", "1: guard must be a table, not 3"),
        ('[guard.policy]\nsuffix = "."', "1: policy must be written with two brackets: [[guard.policy]]"),
        ("[guard]\nallow = []", "2: allow is empty - name at least one, or leave the key out"),
        ("[guard]\nalow = ['192.0.2.0/24']", '2: unknown key "alow" in [guard] - did you mean "allow"?'),
        (
            "[guard]\nallow = [\n'192.0.2.0/24',\n'192.0.2.1/24']",
            '4: allow: "192.0.2.1/24" is an address within a network - did you mean "192.0.2.0/24"?',
        ),
        (
            "[guard]\nallow = ['2001:db8::1/33']",
            '2: allow: "2001:db8::1/33" is an address within a network - did you mean "2001:db8::/33"?',
        ),
        (
            "[guard]\nallow = ['lan']",
            '2: allow: "lan" is not a network - write it like "192.0.2.0/24" or "2001:db8::/32"',
        ),
        (
            "[guard]\nallow = ['::ffff:192.0.2.0/120']",
            '2: allow: "::ffff:192.0.2.0/120" stands for IPv4 addresses - write them as such',
        ),
        ("[guard]\nrate_limit_qps = -1", "2: rate_limit_qps must be at least 0, not -1"),
        ("[guard]\nlisten = []", "2: listen is empty - name at least one, or leave the key out"),
        ("[guard]\nupstreams = [53]", "2: upstreams must be a text in quotes, not 53"),
        (
            '[guard]\nupstreams = ["dns.example.org"]',
            '2: upstreams: "dns.example.org" is a host name - give its IP address: to look the name up, a resolver '
            "is needed first",
        ),
        (
            '[guard]\nupstreams = ["udp://192.0.2.1"]',
            '2: upstreams: "udp://192.0.2.1": leave out "udp://" - plain DNS is asked by UDP, and by TCP where that '
            "is needed",
        ),
        (
            '[guard]\nupstreams = ["https://dns.example/dns-query"]',
            '2: upstreams: "https://dns.example/dns-query": "dns.example" is a host name - write its IP address in its '
            'place, and the name at the end, like "https://192.0.2.1/dns-query#dns.example": to look the name up, a '
            "resolver is needed first",
        ),
        (
            '[guard]\nupstreams = ["tls://dns.example:853"]',
            '2: upstreams: "tls://dns.example:853": "dns.example" is a host name - write its IP address in its place, '
            'and the name at the end, like "tls://192.0.2.1#dns.example": to look the name up, a resolver is needed '
            "first",
        ),
        (
            '[guard]\nupstreams = ["tls://192.0.2.1/dns-query"]',
            '2: upstreams: "tls://192.0.2.1/dns-query": tls:// has no path - leave out "/dns-query"',
        ),
        (
            '[guard]\nupstreams = ["tls://192.0.2.1#"]',
            '2: upstreams: "tls://192.0.2.1#": "" is no host name that a certificate can be for - write it like '
            '"dns.example"',
        ),
        (
            '[guard]\nupstreams = ["https://192.0.2.1/dns-query{?dns}"]',
            '2: upstreams: "https://192.0.2.1/dns-query{?dns}": "/dns-query{?dns}" is not a path - most servers have '
            '"/dns-query"',
        ),
        (
            '[guard]\nupstreams = ["https://192.0.2.1:0"]',
            '2: upstreams: "https://192.0.2.1:0": "192.0.2.1:0" needs a port from 1 to 65535',
        ),
        (
            '[guard]\nupstreams = ["tls://0.0.0.0#dns.example"]',
            '2: upstreams: "tls://0.0.0.0#dns.example" is not the address of one server',
        ),
        (
            '[guard]\nupstreams = ["tls://192.0.2.1#dns.example"]\nsecond_opinions = ["tls://192.0.2.1:853#dns.other"]',
            '3: second_opinions: "tls://192.0.2.1:853#dns.other" is in upstreams already',
        ),
        (
            '[guard]\nlisten = ["127.0.0.1"]\nupstreams = ["tls://127.0.0.1:53#dns.example"]',
            '3: upstreams: "tls://127.0.0.1:53#dns.example" is this guard itself, which listens on 127.0.0.1:53 - '
            "asking it would be a loop",
        ),
        ('[guard]\nupstreams = ["0.0.0.0"]', '2: upstreams: "0.0.0.0" is not the address of one server'),
        ('[guard]\nupstreams = ["224.0.0.251"]', '2: upstreams: "224.0.0.251" is not the address of one server'),
        (
            '[guard]\nlisten = ["0.0.0.0:53"]\nsecond_opinions = ["127.0.0.53"]',
            '3: second_opinions: "127.0.0.53" is this guard itself, which listens on 0.0.0.0:53 - asking it would '
            "be a loop",
        ),
        (
            '[guard]\nlisten = ["0.0.0.0:53", "[::]:53"]\nupstreams = ["::1", "::ffff:127.0.0.1"]',
            '3: upstreams: "::1" is this guard itself, which listens on [::]:53 - asking it would be a loop\n'
            '3: upstreams: "::ffff:127.0.0.1" is this guard itself, which listens on 0.0.0.0:53 - asking it would '
            "be a loop",
        ),
        (
            '[guard]\nupstreams = ["192.0.2.1"]\nsecond_opinions = ["192.0.2.1"]',
            '3: second_opinions: "192.0.2.1" is in upstreams already',
        ),
        (
            '[[guard.policy]]\nsuffix = "."\ngrace_s = 90000',
            "3: grace_s (90000) is more than hold_max_s (86400) for .",
        ),
        ('[[guard.policy]]\nsuffix = "."\nheld_ttl_s = 0', "3: held_ttl_s must be at least 1, not 0"),
        ('[[guard.policy]]\nsuffix = "."\ngrace_s = nan', "3: grace_s must be a finite number, not NaN"),
        (
            '[[guard.policy]]\nsuffix = "."\nspeed = 3',
            '3: unknown key "speed" in [[guard.policy]] - the keys there are suffix, mode, grace_s, hold_max_s, '
            "stale_max_s, held_ttl_s, negative_ttl_max_s, probe, pinned, addresses_min, steady_s, provisional_s, "
            "ttl_min_s, recheck_min_s, recheck_max_s, bogus",
        ),
    ],
)
def test_a_finding_says_where_what_and_what_next(tmp_path: Path, text: str, finding: str) -> None:
    assert findings(tmp_path, text) == finding.split("\n")


def test_a_minimum_is_fine_where_the_pin_comes_from_the_next_suffix_up(tmp_path: Path) -> None:
    load(
        tmp_path,
        """
        [[guard.policy]]
        suffix = "."
        pinned = true
        [[guard.policy]]
        suffix = "example.org"
        addresses_min = 2
        """,
    )


def test_a_ca_file_must_hold_certificates(tmp_path: Path) -> None:
    text = '[guard.tls]\nca_file = "ca.pem"\n'
    path = tmp_path / "ca.pem"
    assert findings(tmp_path, text) == [f"2: ca_file: {path} cannot be read: No such file or directory"]
    path.write_text("not a certificate")
    assert findings(tmp_path, text) == [f"2: ca_file: {path} holds no certificate in PEM form"]


def test_a_state_dir_too_deep_for_a_socket_is_found_before_the_start(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, f'[guard]\nstate_dir = "/{"d" * 107}"\n')
    assert finding == "2: state_dir: the path is 14 octets too long for the control socket in it"


def test_a_file_that_is_not_text_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "standfast.toml").write_bytes(b"\xff\xfe[")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        config.load(tmp_path / "standfast.toml")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_no_text_makes_the_reader_stumble(text: str) -> None:
    draft = read(text, name="t", base=Path("/"))
    assert all(str(finding).startswith("t") for finding in draft.findings)


# Where it is silent


def test_no_file_at_all_listens_on_this_machine_and_asks_its_resolvers(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("# c\nsearch example.org\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    found = config.load(None, environ=HOME, resolv_conf=tmp_path / "resolv.conf")
    assert found.listen[0] == ListenAddress(Server("127.0.0.1", 5300))
    assert (ListenAddress(Server("::1", 5300)) in found.listen) is addresses.has_ipv6()
    assert found.upstreams == (Server("192.0.2.53"), Server("2001:db8::53"))
    assert found.state_dir == Path("/xdg/standfast")
    assert found.source is None


def test_own_addresses_in_resolv_conf_are_not_asked(tmp_path: Path) -> None:
    text = '[guard]\nlisten = ["127.0.0.1:53"]\n'
    found = load(tmp_path, text, "nameserver 127.0.0.1\nnameserver 192.0.2.53\n")
    assert found.upstreams == (Server("192.0.2.53"),)


@pytest.mark.parametrize(
    ("resolv_conf", "names"),
    [("", "no name server"), ("nameserver 127.0.0.1\n", "only this guard itself (127.0.0.1:53)")],
)
def test_nobody_left_to_ask_is_an_error_that_says_what_to_set(tmp_path: Path, resolv_conf: str, names: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, '[guard]\nlisten = ["127.0.0.1:53"]\n', resolv_conf)
    assert str(caught.value) == (
        f"{tmp_path}/standfast.toml: {tmp_path}/resolv.conf names {names} - set upstreams in [guard], like "
        '["192.0.2.1"]'
    )


def test_the_resolvers_of_resolv_conf_are_read_as_the_system_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver x.example\nnameserver ::1 # a\n nameserver\t192.0.2.1\n;nameserver 192.0.2.2\n" * 2)
    assert addresses.read_resolv_conf(path) == (Server("::1"), Server("192.0.2.1"))
    path.write_text("".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 9)))
    assert len(addresses.read_resolv_conf(path)) == 3
    assert addresses.read_resolv_conf(tmp_path / "missing") == ()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/standfast:/var/lib/other", "XDG_STATE_HOME": "/xdg"}, "/var/lib/standfast"),
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/standfast"),
        ({}, "~/.local/state/standfast"),
    ],
)
def test_state_goes_where_the_system_says(environ: dict[str, str], expected: str) -> None:
    assert find_state_dir(None, environ) == Path(expected).expanduser()


def test_the_file_is_looked_for_in_one_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(None, {}) is None
    (tmp_path / "standfast.toml").touch()
    (tmp_path / "other.toml").touch()
    (tmp_path / "named.toml").touch()
    assert find_config(None, {}) == Path("standfast.toml")
    assert find_config(None, {"STANDFAST_CONFIG": "other.toml"}) == Path("other.toml")
    assert find_config(Path("named.toml"), {"STANDFAST_CONFIG": "other.toml"}) == Path("named.toml")
    with pytest.raises(ConfigError, match=r"missing\.toml: there is no such file - \$STANDFAST_CONFIG names it"):
        find_config(None, {"STANDFAST_CONFIG": "missing.toml"})


def test_a_mistake_elsewhere_in_the_file_does_not_hide_the_running_guard(tmp_path: Path) -> None:
    path = tmp_path / "standfast.toml"
    path.write_text('[guard]\nstate_dir = "here"\nlisten = 5\n[gaurd]\n')
    assert find_state_dir(path, {}) == tmp_path / "here"


# Addresses


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", Server("192.0.2.1", 53)),
        ("192.0.2.1:5353", Server("192.0.2.1", 5353)),
        ("2001:DB8::1", Server("2001:db8::1", 53)),
        ("[2001:db8:0::1]:5353", Server("2001:db8::1", 5353)),
        ("::ffff:192.0.2.1", Server("192.0.2.1", 53)),
        ("fe80::1%eth0", Server("fe80::1%eth0", 53)),
    ],
)
def test_an_address_is_read_in_every_usual_form(text: str, server: Server) -> None:
    assert addresses.parse_server(text) == server


@pytest.mark.parametrize(
    ("text", "server", "shown"),
    [
        ("192.0.2.1", Server("192.0.2.1", 53), "192.0.2.1:53"),
        (
            "tls://192.0.2.1#Dns.Example.",
            Server("192.0.2.1", 853, Transport.TLS, "dns.example"),
            "tls://192.0.2.1#dns.example",
        ),
        (
            "tls://[2001:DB8::1]:8853#dns.example",
            Server("2001:db8::1", 8853, Transport.TLS, "dns.example"),
            "tls://[2001:db8::1]:8853#dns.example",
        ),
        ("tls://[2001:db8::1]", Server("2001:db8::1", 853, Transport.TLS), "tls://[2001:db8::1]"),
        (
            "https://192.0.2.1#dns.example",
            Server("192.0.2.1", 443, Transport.HTTPS, "dns.example", "/dns-query"),
            "https://192.0.2.1/dns-query#dns.example",
        ),
        (
            "https://[2001:db8::1]:8443/profile/7?key=a%2Fb#dns.example",
            Server("2001:db8::1", 8443, Transport.HTTPS, "dns.example", "/profile/7?key=a%2Fb"),
            "https://[2001:db8::1]:8443/profile/7?key=a%2Fb#dns.example",
        ),
    ],
)
def test_an_upstream_is_read_in_every_form_and_shown_in_that_of_the_configuration(
    text: str, server: Server, shown: str
) -> None:
    assert addresses.parse_upstream(text) == server
    assert str(server) == shown
    assert addresses.parse_upstream(shown) == server


@given(st.ip_addresses(), st.integers(1, 65535))
def test_a_server_is_read_back_from_its_own_text(address: object, port: int) -> None:
    server = addresses.parse_server(str(Server(str(address), port)))
    assert addresses.parse_server(str(server)) == server
    assert server.port == port


@pytest.mark.parametrize("text", ["", " ", "192.0.2", "[::1", "[::1]53", "::1:x:y", "192.0.2.1:", "192.0.2.1:٣", ":53"])
def test_anything_else_is_no_server(text: str) -> None:
    with pytest.raises(addresses.BadServer):
        addresses.parse_server(text)


def test_the_documented_example_is_a_good_configuration(tmp_path: Path) -> None:
    example = Path(__file__).parents[4] / "standfast.example.toml"
    found = config.load(example, environ=HOME)
    assert found.policy_table.lookup(parse_name("anything.example")) == Policy()


# Encrypted clients


def encrypted(listen: str, tls: str = "") -> str:
    return f"[guard]\nlisten = [{listen}]\n[guard.tls]\n{tls}"


@pytest.fixture
def own(tmp_path: Path) -> Certificate:
    return issue_self_signed(tmp_path / "own", ["ns.example.org"])


def named(certificate: Certificate) -> str:
    return f'certificate = "own/{certificate.cert_file.name}"\nkey = "own/{certificate.key_file.name}"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tls://192.0.2.1", "tls://192.0.2.1:853"),
        ("tls://[2001:db8::1]:8853", "tls://[2001:db8::1]:8853"),
        ("https://192.0.2.1", "https://192.0.2.1:443/dns-query"),
        ("https://192.0.2.1/", "https://192.0.2.1:443/"),
        ("https://[2001:db8::1]:0/a/b", "https://[2001:db8::1]:0/a/b"),
        ("192.0.2.1", "192.0.2.1:53"),
    ],
)
def test_an_address_says_what_is_spoken_there(text: str, shown: str) -> None:
    address = addresses.parse_listen(text)
    assert str(address) == shown
    assert addresses.parse_listen(shown) == address


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("quic://192.0.2.1", "clients can ask by tls:// and https://, and without a scheme by UDP and TCP"),
        ("://192.0.2.1", "clients can ask by tls:// and https://"),
        ("tls://192.0.2.1/dns-query", 'tls:// has no path - write "tls://192.0.2.1"'),
        (
            "https://192.0.2.1/dns-query{?dns}",
            '"/dns-query{?dns}" is not a path - write it like "https://192.0.2.1/dns',
        ),
        ("https://ns.example.org/dns-query", '"ns.example.org" is a host name - give its IP address'),
        ("tls://192.0.2.1:x", '"192.0.2.1:x" needs a port'),
        ("tls://224.0.0.1", "is a multicast address"),
    ],
)
def test_an_address_that_is_none_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(addresses.BadServer) as caught:
        addresses.parse_listen(text)
    assert told in str(caught.value)


def test_a_certificate_is_read_from_files_beside_the_configuration(tmp_path: Path, own: Certificate) -> None:
    found = load(tmp_path, encrypted('"tls://127.0.0.1", "https://127.0.0.1"', named(own)))
    assert found.certificate == CertificateFiles(certificate=own.cert_file, key=own.key_file)
    assert not found.warnings


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        ("", '2: listen: "tls://127.0.0.1" needs a certificate - name its files in [guard.tls], certificate and key'),
        ('key = "k.pem"', "4: key is of no use without certificate - name both files"),
        ('certificate = "c.pem"', "4: certificate is of no use without key - name both files"),
        ('certificate = "c.pem"\nkey = "k.pem"', "c.pem cannot be read: no such file or directory"),
    ],
)
def test_who_comes_encrypted_must_be_shown_a_certificate(tmp_path: Path, tls: str, told: str) -> None:
    (found,) = findings(tmp_path, encrypted('"127.0.0.1", "tls://127.0.0.1"', tls))
    assert told in found


def test_another_ones_key_is_a_finding_on_its_line(tmp_path: Path, own: Certificate) -> None:
    (tmp_path / "own" / own.key_file.name).write_bytes(issue_self_signed(tmp_path, ["a.example"]).key_file.read_bytes())
    (found,) = findings(tmp_path, encrypted('"tls://127.0.0.1"', named(own)))
    assert found.startswith("5: key: ")
    assert found.endswith(f"is not the key of {own.cert_file}")


def test_an_expired_certificate_is_told_of_and_used(tmp_path: Path) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    own = ThrowawayAuthority.create(tmp_path / "own").issue(["a.example"], not_before=past, not_after=past)
    (warning,) = load(tmp_path, encrypted('"tls://127.0.0.1"', named(own))).warnings
    assert warning.line == 4
    assert warning.text.endswith(f"expired on {past:%Y-%m-%d} - renew it: clients refuse it")


def test_one_port_is_for_one_kind_of_client(tmp_path: Path, own: Certificate) -> None:
    told = findings(tmp_path, encrypted('"127.0.0.1:853", "tls://127.0.0.1"', named(own)))
    assert told == ['2: listen: "tls://127.0.0.1" is in listen already']


def test_an_authority_alone_needs_no_upstreams_and_reads_its_own_keys(tmp_path: Path) -> None:
    (tmp_path / "example.org.zone").touch()
    text = """
[authority]
listen = ["127.0.0.1:5310", "[::1]:5310"]
zones = ["example.org.zone"]
rate_limit_qps = 7
[[authority.promise]]
name = "WWW.example.org"
addresses_min = 2
"""
    found = load(tmp_path, text, resolv_conf="")
    assert not found.has_guard
    assert not found.upstreams
    assert found.authority == AuthorityConfig(
        listen=(Server("127.0.0.1", 5310), Server("::1", 5310)),
        zones=(tmp_path / "example.org.zone",),
        limits=Limits(allow=EVERYBODY, rate_limit_qps=7),
        state_dir=Path("/xdg/standfast/authority"),
        default_rules=ZoneRules(promises=(Promise(name="www.example.org.", addresses_min=2),)),
    )


def test_a_promise_that_no_zone_can_keep_is_a_finding_on_its_line(tmp_path: Path) -> None:
    zone = tmp_path / "example.org.zone"
    text = '[authority]\nzones = ["example.org.zone"]\n[[authority.promise]]\nname = "www.exmaple.org"\n'
    zone.write_text("@ 60 SOA ns hostmaster 1 3600 600 86400 60\n")
    assert findings(tmp_path, text) == ["4: name: www.exmaple.org. is in none of the zones that are served"]
    assert load(tmp_path, text.replace("exmaple", "example")).authority
    zone.write_text("")  # then nobody knows what it is to be
    assert load(tmp_path, text).authority


@pytest.mark.parametrize("zones", ["", "zones = []", "zones = 5", "zones = [5]"])
def test_an_authority_without_zones_is_a_finding_and_nothing_worse(tmp_path: Path, zones: str) -> None:
    with pytest.raises(ConfigError, match="zones"):
        load(tmp_path, f"[authority]\n{zones}\n")
