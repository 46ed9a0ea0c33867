"""What is wanted, read from files: what it becomes, and everything that can be wrong with it, each with its line."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from standfast.control.intent import (
    CheckKind,
    Endpoint,
    HealthCheck,
    Intent,
    ManagedName,
    Policy,
    PolicyKind,
    Pool,
    Promise,
    Source,
    SourceKind,
)
from standfast.dns.model import RRset, RRType
from standfast.io.control.intent_files import load_intent
from standfast.io.control.intent_parts import FAULTS_MAX
from standfast.io.settings import config
from standfast.io.settings.control import ControlConfig, PublisherSettings
from standfast.io.settings.control_keys import PublisherKind
from standfast.io.settings.places import ConfigError

PUBLISHERS: Final = (
    PublisherSettings(name="own", kind=PublisherKind.AUTHORITY),
    PublisherSettings(name="aws", kind=PublisherKind.ROUTE53),
)
SHOP: Final = """\
zones:
  example.com: {publishers: [own, aws], delegated: [sub.example.com]}
pools:
  us-east-1:
    region: us-east-1
    provider: aws
    check: {kind: https, path: /healthz, status: [200, "301-302"], text: ok, interval_s: 5, rise: 1, fall: 4}
    endpoints: [{address: 192.0.2.1}, {address: "2001:DB8::1", port: 8443, weight: 2, capacity: 5, drained: true}]
  eu:
    source: {file: endpoints.json, every_s: 5}
  cdn:
    check: {kind: none}
    endpoints: [{address: Shop.CDN.example.net}]
names:
  DB.example.com: {pools: [us-east-1, eu], ttl_s: 30, promise: {endpoints_min: 2, capacity_min: 6}, service: db}
  www.example.com: {policy: weighted, pools: [us-east-1, eu], weights: {eu: 9}, answers_max: 4, replica: orders}
  shop.example.com: {pools: [cdn]}
records:
  - {name: example.com, type: mx, ttl_s: 600, data: ["10 mail.example.com.", "20 mx.example.net."]}
  - {name: mail.example.com, type: A, data: [192.0.2.9]}
"""


def read(tmp_path: Path, *texts: str, suffix: str = ".yaml") -> Intent:
    files = []
    for at, text in enumerate(texts):
        files.append(tmp_path / f"{'abc'[at]}{suffix}")
        files[-1].write_text(text)
    return load_intent(ControlConfig(intent=tuple(files), state_dir=tmp_path, publishers=PUBLISHERS))


def findings(tmp_path: Path, *texts: str, suffix: str = ".yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, *texts, suffix=suffix)
    return [str(finding).replace(f"{tmp_path}/", "") for finding in caught.value.findings]


def test_everything_that_is_said_reaches_the_intent(tmp_path: Path) -> None:
    found = read(tmp_path, SHOP)
    check = HealthCheck(
        kind=CheckKind.HTTPS,
        path="/healthz",
        status=((200, 200), (301, 302)),
        text="ok",
        interval_s=5,
        rise=1,
        fall=4,
    )
    assert found.pools == {
        "us-east-1": Pool(
            name="us-east-1",
            region="us-east-1",
            provider="aws",
            check=check,
            endpoints=(
                Endpoint(address="192.0.2.1"),
                Endpoint(address="2001:db8::1", port=8443, weight=2, capacity=5, drained=True),
            ),
        ),
        "eu": Pool(name="eu", source=Source(kind=SourceKind.FILE, where=str(tmp_path / "endpoints.json"), every_s=5)),
        "cdn": Pool(
            name="cdn", check=HealthCheck(kind=CheckKind.NONE), endpoints=(Endpoint(address="shop.cdn.example.net."),)
        ),
    }
    zone = found.zones["example.com."]
    assert (zone.publishers, zone.delegated) == (("own", "aws"), frozenset({"sub.example.com."}))
    assert zone.names == (
        ManagedName(
            name="db.example.com.",
            ttl_s=30,
            policy=Policy(pools=(("us-east-1", 1), ("eu", 1))),
            promise=Promise(endpoints_min=2, capacity_min=6),
            service="db",
        ),
        ManagedName(
            name="www.example.com.",
            policy=Policy(kind=PolicyKind.WEIGHTED, pools=(("us-east-1", 1), ("eu", 9)), answers_max=4),
            replica="orders",
        ),
        ManagedName(name="shop.example.com.", policy=Policy(pools=(("cdn", 1),))),
    )
    assert zone.records == (
        RRset(
            owner="example.com.",
            rtype=RRType.MX,
            ttl_s=600,
            rdatas=(b"\0\x0a\4mail\7example\3com\0", b"\0\x14\2mx\7example\3net\0"),
        ),
        RRset(owner="mail.example.com.", rtype=RRType.A, ttl_s=3600, rdatas=(b"\xc0\0\2\x09",)),
    )


def test_a_dynamodb_check_names_its_table_and_the_host_that_it_is_asked_for(tmp_path: Path) -> None:
    said = "{kind: dynamodb, host: dynamodb.us-east-1.amazonaws.com, table: t, key: {id: canary}, region: us-east-1}"
    (pool,) = read(tmp_path, f"zones: {{}}\npools: {{p: {{source: {{file: a}}, check: {said}}}}}").pools.values()
    assert pool.check == HealthCheck(
        kind=CheckKind.DYNAMODB,
        host="dynamodb.us-east-1.amazonaws.com.",
        table="t",
        key=(("id", "canary"),),
        region="us-east-1",
    )


def test_yaml_json_toml_and_the_configuration_itself_say_the_same(tmp_path: Path) -> None:
    said: dict[str, Any] = {
        "zones": {"example.com": {"publishers": ["own"]}},
        "pools": {"us": {"endpoints": [{"address": "192.0.2.1", "weight": 3}]}},
        "names": {"a.example.com": {"pools": ["us"], "policy": "all-healthy"}},
        "records": [{"name": "b.example.com", "type": "TXT", "data": ['"v=1"']}],
    }
    yaml = read(tmp_path, json.dumps(said))
    assert read(tmp_path, json.dumps(said), suffix=".json") == yaml
    toml = """
[zones."example.com"]
publishers = ["own"]
[pools.us]
endpoints = [{ address = "192.0.2.1", weight = 3 }]
[names."a.example.com"]
pools = ["us"]
policy = "all-healthy"
[[records]]
name = "b.example.com"
type = "TXT"
data = ['"v=1"']
"""
    assert read(tmp_path, toml, suffix=".toml") == yaml
    inside = toml.replace("[zones.", "[intent.zones.").replace("[pools.", "[intent.pools.")
    inside = inside.replace("[names.", "[intent.names.").replace("[[records", "[[intent.records")
    publisher = '[[control.publisher]]\nname = "own"\nkind = "route53"\n'
    (tmp_path / "standfast.toml").write_text(f"[control]\n{publisher}{inside}")
    control = config.load(tmp_path / "standfast.toml").control
    assert control is not None
    assert load_intent(control) == yaml


def test_several_files_are_read_as_one(tmp_path: Path) -> None:
    zones, rest = SHOP.split("pools:\n", 1)
    pools, names = rest.split("names:\n")
    assert read(tmp_path, "names:\n" + names, "pools:\n" + pools, zones) == read(tmp_path, SHOP)


def test_a_file_that_says_nothing_wants_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "", "# nothing yet\n", "zones:\n") == Intent(zones={}, pools={})


def test_what_is_repeated_by_an_alias_is_read_as_often(tmp_path: Path) -> None:
    text = "pools:\n  a: &pool\n    endpoints: [{address: 192.0.2.1}]\n  b: *pool\n"
    assert read(tmp_path, text).pools["b"].endpoints == (Endpoint(address="192.0.2.1"),)


# What can be wrong

BASE: Final = """\
zones:
  example.com: {publishers: [own]}
pools:
  two: {endpoints: [{address: 192.0.2.1}, {address: 192.0.2.2}]}
  one: {endpoints: [{address: 192.0.2.3}]}
  host: {endpoints: [{address: cdn.example.net}]}
  other: {source: {dns: origin.example.net, type: AAAA}}
names:
  a.example.com: {pools: [two]}
"""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        # names, and zones
        ("  b.example.com: {pools: [tow]}", '10: pools: there is no pool "tow" - did you mean "two"?'),
        ("  b.example.com: {pools: []}", "10: pools is empty - name at least one, or leave the key out"),
        ("  b.example.com: {policy: failover}", '10: a name lacks "pools"'),
        ("  b.example.com: {pools: [two, two]}", '10: pools: "two" is there already'),
        ("  A.Example.com.: {pools: [two]}", "10: the name a.example.com. is there already, in line 9"),
        ("  a.example.com: {pools: [two]}", '10: "a.example.com" is there twice'),
        (
            "  a.example.net: {pools: [two]}",
            "10: a.example.net. is in none of the zones, which are example.com. - add its zone, or take it out",
        ),
        ("  a..example.com: {pools: [two]}", '10: "a..example.com" is not a domain name'),
        ("  _standfast.example.com: {pools: [two]}", "10: _standfast.example.com. is where the fence of the zone"),
        ("  b.example.com: {pools: [two], polcy: x}", 'unknown key "polcy" in a name - did you mean "policy"?'),
        ("  b.example.com: {pools: [two], weight: 2}", 'unknown key "weight" in a name - it belongs in an endpoint'),
        ("  b.example.com: {pools: [two], policy: failver}", 'not "failver" - did you mean "failover"?'),
        ("  b.example.com: {pools: [two], ttl_s: -1}", "10: ttl_s must be at least 0, not -1"),
        ("  b.example.com: {pools: [two], ttl_s: 4294967296}", "10: ttl_s must be at most 2.14748e+09, not 4294967296"),
        ('  b.example.com: {pools: [two], ttl_s: "60"}', '10: ttl_s must be a whole number, not "60"'),
        ("  b.example.com: {pools: [two], weights: {two: 2}}", '10: weights count for the policy "weighted" only'),
        ("  b.example.com: {pools: [two], answers_max: 2}", '10: answers_max counts for the policy "weighted" only'),
        (
            "  b.example.com: {policy: weighted, pools: [two], weights: {one: 2}}",
            '10: weights: "one" is none of the pools of this name',
        ),
        # promises that contradict what there is
        (
            "  b.example.com: {pools: [two, one], promise: {endpoints_min: 2}}",
            '10: endpoints_min: 2 are promised, and the pool "one" never holds more than 1',
        ),
        (
            "  b.example.com: {pools: [two, one], policy: all-healthy, promise: {endpoints_min: 4}}",
            "10: endpoints_min: 4 are promised, and all pools together never holds more than 3",
        ),
        (
            "  b.example.com: {pools: [two], promise: {capacity_min: 3}}",
            '10: capacity_min: 3 is promised, and the pool "two" never has more than 2',
        ),
        (
            "  b.example.com: {pools: [other], policy: weighted, answers_max: 2, promise: {endpoints_min: 3}}",
            "10: endpoints_min (3) is more than answers_max (2)",
        ),
        ("  b.example.com: {pools: [two], promise: {endpoints_min: 0}}", "10: endpoints_min must be at least 1, not 0"),
        # host names become CNAMEs
        (
            "  b.example.com: {pools: [two, host], policy: all-healthy}",
            '10: pools: "host" is a host name, which becomes a CNAME and stands alone - take policy "failover"',
        ),
        ("  example.com: {pools: [host]}", "10: pools: example.com. is the apex of its zone, where no CNAME can stand"),
        (
            "  b.example.com: {pools: [host]}\nrecords:\n- {name: b.example.com, type: TXT, data: [x]}",
            "12: b.example.com. has a CNAME, beside which nothing can stand, and this is TXT",
        ),
        # records
        (
            "records:\n- {name: a.example.com, type: AAAA, data: ['2001:db8::1']}",
            "11: AAAA of a.example.com. is planned from its pools, in line 9",
        ),
        ("records:\n- {name: b.example.com, type: A, data: [192.0.2.300]}", '11: data: "192.0.2.300" is no record dat'),
        ("records:\n- {name: b.example.com, type: A, data: []}", "11: data is empty"),
        ("records:\n- {name: b.example.com, type: A}", '11: a record lacks "data"'),
        (
            "records:\n- {name: b.example.com, type: A, data: 192.0.2.1}",
            '11: data must be a list in brackets, like ["1',
        ),
        ("records:\n- {name: b.example.com, type: B, data: [x]}", '11: type: "B" is no record type'),
        ("records:\n- {name: b.example.com, type: ANY, data: [x]}", "11: type: ANY never stands in a zone"),
        ("records:\n- {name: b.example.com, type: RRSIG, data: [x]}", "11: type: RRSIG is made by whoever signs the z"),
        ("records:\n- {name: b.example.net, type: A, data: [192.0.2.1]}", "11: b.example.net. is in none of the zones"),
        (
            "records:\n- {name: b.example.com, type: A, data: [192.0.2.1]}\n"
            "- {name: b.example.com, type: a, data: [192.0.2.2]}",
            "12: A of b.example.com. is there already, in line 11",
        ),
        (
            "records:\n- {name: b.example.com, type: A, data: [192.0.2.1, 192.0.2.1]}",
            "11: data: one of them is there twice, of A of b.example.com.",
        ),
        (
            "records:\n- {name: b.example.com, type: CNAME, data: [c.example.com., d.example.com.]}",
            "11: data: b.example.com. can have one CNAME only",
        ),
        (
            "records:\n- {name: b.example.com, type: A, data: [192.0.2.1]}\n"
            "- {name: b.example.com, type: CNAME, data: [a.example.com.]}",
            "11: b.example.com. has a CNAME, beside which nothing can stand, and this is A",
        ),
        (
            "  x.sub.example.com: {pools: [two]}\nrecords:\n"
            "- {name: sub.example.com, type: NS, data: [ns.example.net.]}",
            "10: x.sub.example.com. is below sub.example.com., where another zone begins",
        ),
        (
            "records:\n- {name: sub.example.com, type: NS, data: [ns.sub.example.com.]}\n"
            "- {name: ns.sub.example.com, type: A, data: [192.0.2.1]}\n"
            "- {name: ns.sub.example.com, type: TXT, data: [x]}",
            "13: TXT of ns.sub.example.com. belongs to sub.example.com., where another zone begins",
        ),
        (
            "records:\n- {name: example.com, type: NS, data: [ns.example.com.]}",
            "11: NS of the zone example.com. itself",
        ),
        (
            "records:\n- {name: _standfast.example.com, type: TXT, data: [x]}",
            "11: _standfast.example.com. is where the fence of the zone stands - take it out",
        ),
        # what it must not be
        ("records: {name: b.example.com}", "10: records must be a list in brackets"),
        ("namse: {}", '10: unknown key "namse" in an intent - did you mean "names"?'),
    ],
)
def test_what_is_wrong_with_a_name_or_a_record_is_told_with_its_line(more: str, expected: str, tmp_path: Path) -> None:
    found = findings(tmp_path, BASE + more + "\n")
    assert any(expected in each for each in found), found
    assert len(found) == 1


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("{}", 'the pool "p" lacks "endpoints" - list them, or name their source'),
        ("{endpoints: [{address: 192.0.2.1}, {address: 192.0.2.1}]}", 'address: "192.0.2.1" is in this pool already'),
        (
            "{endpoints: [{address: '2001:db8::1'}, {address: '2001:0db8::0001'}]}",
            'address: "2001:0db8::0001" is in this pool already',
        ),
        ("{endpoints: [{address: 0.0.0.0}]}", 'address: "0.0.0.0" is not the address of one host'),
        ("{endpoints: [{address: 192.0.2}]}", '"192.0.2" is neither an IP address nor the name of a host'),
        ("{endpoints: [{address: x y}]}", '"x y" is neither an IP address nor the name of a host'),
        ("{endpoints: [{port: 80}]}", 'an endpoint lacks "address"'),
        ("{endpoints: [{address: 192.0.2.1, port: 70000}]}", "port must be at most 65535, not 70000"),
        ("{endpoints: [192.0.2.1]}", 'must be a table, not "192.0.2.1"'),
        (
            "{endpoints: [{address: a.example.net}, {address: 192.0.2.1}]}",
            '"a.example.net." is a host name, which becomes a CNAME and stands alone - give it a pool of its own',
        ),
        ("{source: {}}", "a source has one of file, dns, http, and this has none"),
        ("{source: {file: a, dns: b.example}}", "a source has one of file, dns, http, and this has file and dns"),
        ("{source: {file: a, type: AAAA}}", "type counts for sources of kind dns only"),
        ("{source: {dns: b.example, type: MX}}", 'type: "MX" lists no endpoints - A, AAAA, SRV do'),
        ("{source: {http: 'ftp://b.example'}}", 'http: "ftp://b.example" is no URL - write it like "https://'),
        ("{source: {http: 'http://u:p@b.example'}}", "http: no password belongs into it"),
        ("{source: {file: a}, endpoints: [{address: 192.0.2.1}]}", "source: the pool lists its endpoints itself"),
        ("{source: {file: a}, check: {kind: tcp, path: /x}}", "path counts for checks of kind http and https only"),
        ("{source: {file: a}, check: {kind: dynamodb}}", 'a check of kind "dynamodb" lacks "table"'),
        ("{source: {file: a}, check: {kind: http, path: x}}", 'path: "x" does not begin with "/"'),
        ("{source: {file: a}, check: {kind: http, status: [700]}}", 'status: "700" is no status of HTTP'),
        ("{source: {file: a}, check: {kind: dns, type: X}}", 'type: "X" is no record type'),
        ("{source: {file: a}, check: {timeout_s: 20}}", "timeout_s (20) is more than interval_s (10): looks would"),
        ("{source: {file: a}, check: {kind: htpps}}", 'not "htpps" - did you mean "https"?'),
    ],
)
def test_what_is_wrong_with_a_pool_is_told_with_its_line(pool: str, expected: str, tmp_path: Path) -> None:
    (found,) = findings(tmp_path, f"zones: {{}}\npools:\n  p: {pool}\n")
    assert expected in found
    assert found.startswith("a.yaml:3: ")


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ("example.com: {}", 'a zone lacks "publishers"'),
        ("example.com: {publishers: []}", "publishers is empty"),
        ("example.com: {publishers: [asw]}", 'publishers: there is no "asw" - did you mean "aws"?'),
        ("example.com: {publishers: [bind]}", 'publishers: there is no "bind" - add it with [[control.publisher]]'),
        ("example.com: {publishers: [own, own]}", 'publishers: "own" is there already'),
        ("example.com: {publishers: [own], delegated: [a.example.net]}", "delegated: a.example.net. is not below exa"),
        ("'a..b': {publishers: [own]}", '"a..b" is not a domain name'),
    ],
)
def test_what_is_wrong_with_a_zone_is_told_with_its_line(zones: str, expected: str, tmp_path: Path) -> None:
    (found,) = findings(tmp_path, f"zones:\n  {zones}\n")
    assert expected in found
    assert found.startswith("a.yaml:2: ")


def test_what_stands_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    found = findings(tmp_path, BASE, "\n\n" + BASE.replace("host: {end", "new: {end"))
    assert found == [
        "b.yaml:4: the zone example.com. is there already, in a.yaml:2",
        'b.yaml:6: the pool "two" is there already, in a.yaml:4',
        'b.yaml:7: the pool "one" is there already, in a.yaml:5',
        'b.yaml:9: the pool "other" is there already, in a.yaml:7',
        "b.yaml:11: the name a.example.com. is there already, in a.yaml:9",
    ]


def test_all_files_are_read_though_one_cannot_be(tmp_path: Path) -> None:
    found = findings(tmp_path, "zones: [\n", BASE + "  b.example.com: {pools: [tow]}\n", "names:\n\t- x\n")
    assert [each.partition(": ")[0] for each in found] == ["a.yaml:2", "b.yaml:10", "c.yaml:2"]
    assert "no YAML" in found[0]


def test_a_file_that_went_away_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: "):
        load_intent(ControlConfig(intent=(tmp_path / "gone.yaml",), state_dir=tmp_path))


def test_a_file_of_another_kind_is_a_hundred_findings_and_no_more(tmp_path: Path) -> None:
    (record,) = json.loads('[{"nmae": "a.example.com", "type": "A", "data": ["192.0.2.1"]}]')
    text = json.dumps({"records": [record] * (FAULTS_MAX * 3)}, indent=1)
    found = findings(tmp_path, text, suffix=".json")
    assert len(found) == FAULTS_MAX + 1
    assert "a.json: and " in "\n".join(found)
    assert any('a.json:4: unknown key "nmae" in a record - did you mean "name"?' in each for each in found)


def test_what_is_left_out_for_its_fault_is_no_second_fault(tmp_path: Path) -> None:
    text = BASE.replace("[{address: 192.0.2.3}]", "[{adress: 192.0.2.3}]") + "  b.example.com: {pools: [one]}\n"
    found = findings(tmp_path, text)
    assert all(each.startswith("a.yaml:5: ") for each in found)
    assert any('unknown key "adress" in an endpoint - did you mean "address"?' in each for each in found)


def test_a_zone_that_its_authority_does_not_have_is_told(tmp_path: Path) -> None:
    (tmp_path / "example.com.zone").write_text("@ 60 SOA ns hostmaster 1 3600 600 86400 60\n")
    (tmp_path / "shop.yaml").write_text(
        "zones:\n  example.com: {publishers: [own]}\n  example.org: {publishers: [own]}\n"
    )
    (tmp_path / "standfast.toml").write_text(
        '[authority]\nzones = ["example.com.zone"]\n[control]\nintent = ["shop.yaml"]\n'
        '[[control.publisher]]\nname = "own"\nkind = "authority"\n'
    )
    control = config.load(tmp_path / "standfast.toml").control
    assert control is not None
    with pytest.raises(ConfigError) as caught:
        load_intent(control)
    (found,) = map(str, caught.value.findings)
    assert found.endswith(
        'shop.yaml:3: publishers: "own" has no zone example.org. - name a file with its SOA and NS in zones'
        " of [authority]"
    )
