"""Master files: what is read, compared with dnspython's reader, and what is said of what cannot be."""

from pathlib import Path

import dns.zone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.dns.masterfile import FAULTS_MAX, INCLUDE_DEPTH_MAX, MasterFile, MasterFileError, Record
from standfast.dns.model import Name, RRType

HEAD = "$ORIGIN example.org.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n"


def no_include(name: str, file: str) -> tuple[str, str]:
    raise MasterFileError(f"{file} includes {name}, and there is none")


def read(text: str, *, origin: str | None = "example.org.") -> tuple[list[Record], list[str]]:
    master = MasterFile(text, file="z", origin=origin, include=no_include)
    return list(master), [str(fault) for fault in master.faults]


def told(text: str) -> str:
    """Return the only fault of `text`, which stands below a good head, without its place."""
    _, (fault,) = read(HEAD + text)
    place, _, words = fault.partition(": ")
    assert place == "z:4"
    return words


def as_dnspython(text: str, origin: str = "example.org.") -> set[tuple[str, int, int, bytes]]:
    zone = dns.zone.from_text(text, origin=origin, relativize=False, check_origin=False)
    return {
        (name.to_text().lower(), int(rdataset.rdtype), rdataset.ttl, rdata.to_wire())
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
    }


def test_names_times_and_classes_are_read_as_rfc1035_section_5_writes_them() -> None:
    records, faults = read(
        "$TTL 1h\n"
        "@ IN SOA ns.example.org. hostmaster ( 2026112301 ; serial\n 3600 600\n 1w2d 60 )\n"
        "   NS ns ; the owner above\n"
        "ns 300 IN A 192.0.2.1\n"
        "Ns IN 1m30s AAAA 2001:db8::1\n"
        "www CNAME NS\n"
        "$ORIGIN sub.example.org.\n"
        '@ TXT "a; b" c "\\"quoted\\""\n'
        "abs.example.net. A 192.0.2.2\n"
    )
    assert not faults
    assert [(r.owner, r.rtype, r.ttl_s, r.line) for r in records] == [
        ("example.org.", RRType.SOA, 3600, 2),
        ("example.org.", RRType.NS, 3600, 5),
        ("ns.example.org.", RRType.A, 300, 6),
        ("ns.example.org.", RRType.AAAA, 90, 7),
        ("www.example.org.", RRType.CNAME, 3600, 8),
        ("sub.example.org.", RRType.TXT, 3600, 10),
        ("abs.example.net.", RRType.A, 3600, 11),
    ]
    assert records[0].rdata.endswith((9 * 86_400).to_bytes(4, "big") + (60).to_bytes(4, "big"))
    assert records[4].rdata == b"\x02NS\x07example\x03org\0"  # letters of data keep their case
    assert records[5].rdata == b'\x04a; b\x01c\x08"quoted"'


@pytest.mark.parametrize(
    "data",
    [
        "A 192.0.2.1",
        "AAAA 2001:db8::1",
        "NS ns",
        "CNAME a.b",
        "PTR @",
        "DNAME example.net.",
        "MX 10 mail",
        "SRV 0 5 5060 sip",
        'TXT "one" two "th\\195\\188"',
        'CAA 0 issue "ca.example.net"',
        "HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1",
        "SVCB 2 svc port=853",
        "TLSA 3 1 1 " + "ab" * 32,
        "DS 4711 13 2 " + "cd" * 32,
        'NAPTR 100 10 "S" "SIP+D2U" "!^.*$!sip:info@example.org!" _sip._udp',
        "SSHFP 4 2 " + "ef" * 32,
        "LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
        "HINFO PC Linux",
        "RP admin txt",
        "TYPE65280 \\# 4 0a000001",
        "A \\# 4 c0000201",
        "CDS 0 0 0 00",
        "NSEC next A NS RRSIG NSEC",
    ],
)
def test_data_of_every_type_are_what_dnspython_reads(data: str) -> None:
    text = f"{HEAD}www {data}\n"
    records, faults = read(text)
    assert not faults
    assert {tuple(record[:4]) for record in records} == as_dnspython(text)


_LABEL = st.from_regex(r"\A[A-Za-z0-9_]([A-Za-z0-9_-]{0,10}[A-Za-z0-9_])?\Z")
_NAME = st.lists(_LABEL, min_size=1, max_size=4).map(".".join)
_ADDRESS = st.ip_addresses(v=4).map(str)
_DATA = st.one_of(
    _ADDRESS.map("A {}".format),
    st.ip_addresses(v=6).map("AAAA {}".format),
    _NAME.map("NS {}".format),
    st.tuples(st.integers(0, 65_535), _NAME).map(lambda mx: f"MX {mx[0]} {mx[1]}"),
    st.text(st.characters(codec="ascii", exclude_characters='"\\\n\r', min_codepoint=32), max_size=80).map(
        'TXT "{}"'.format
    ),
)


@given(st.lists(st.tuples(_NAME, st.integers(0, 2**31 - 1), _DATA), max_size=8))
def test_whatever_dnspython_reads_of_plain_records_is_read_the_same(rows: list[tuple[str, int, str]]) -> None:
    single = {(owner.lower(), data.split()[0]): (owner, ttl_s, data) for owner, ttl_s, data in rows}
    text = HEAD + "".join(f"{owner} {ttl_s} {data}\n" for owner, ttl_s, data in single.values())
    records, faults = read(text)
    assert not faults
    assert {tuple(record[:4]) for record in records} == as_dnspython(text)


def test_the_root_zone_is_read_as_dnspython_reads_it(shared_data: Path) -> None:
    text = (shared_data / "zones" / "root.zone").read_text()
    master = MasterFile(text, file="root.zone", origin=".", include=no_include)
    ours = {(record.owner, record.rtype, record.rdata) for record in master}
    assert not master.faults
    assert ours == {(owner, rtype, rdata) for owner, rtype, _, rdata in as_dnspython(text, ".")}


@given(st.text(st.sampled_from('ab.@ \t\n();"\\$0123456789*ASOINTXCM-/{},'), max_size=200))
def test_no_text_makes_the_reader_raise_and_every_fault_has_a_line(text: str) -> None:
    master = MasterFile(text, file="z", origin="example.org.", include=no_include)
    for record in master:
        assert record.owner.endswith(".")
        assert 0 < record.line <= text.count("\n") + 1
    assert all(0 < fault.line <= text.count("\n") + 1 for fault in master.faults)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("www A 192.0.2.300", "\"192.0.2.300\" is no data of type A: Octet 300 (> 255) not permitted in '192.0.2.300'"),
        ("www A 192.0.2.1 192.0.2.2", "is no data of type A"),
        ("www AAAA fe80::1%eth0", "fe80::1%eth0 names a link"),
        ("www MX 70000 mail", '"70000" is no preference; 0 to 65535 are'),
        ("www CAA 0 issue", '"0 issue" is no data of type CAA'),
        ("www A", "nothing is no data of type A"),
        ("www TYPE65280 \\# 3 00", "wrong length"),
        ("www FOO 1", '"FOO" is no record type, TTL or class'),
        ("www ANY", "class ANY: only IN is served"),
        ("www AXFR x", "AXFR is asked for, and never stands in a zone"),
        ("www CH A 192.0.2.1", "class CH: only IN is served"),
        ("www 2147483648 A 192.0.2.1", "the TTL 2147483648 is more than 2147483647 seconds (RFC 2181 section 8)"),
        ("www 5y A 192.0.2.1", '"5y" is no TTL; seconds are, or a time like 1h30m'),
        ("www", "the record has no type"),
        ("a..b A 192.0.2.1", '"a..b.example.org." is not a domain name'),
        ("a" * 64 + " A 192.0.2.1", "is not a domain name"),
        ('www TXT "open', "a quote is never closed"),
        ("www A ( 192.0.2.1", "this parenthesis is never closed"),
        ("www A 192.0.2.1 )", "a parenthesis closes none"),
        ("www A (( 192.0.2.1 ))", "a parenthesis within parentheses"),
        ("$FOO bar", "the directive $FOO is not known; $ORIGIN, $TTL, $INCLUDE, $GENERATE are"),
        ("$TTL", "$TTL is written $TTL TTL"),
        ("$ORIGIN a b", "$ORIGIN is written $ORIGIN NAME"),
        ("$INCLUDE other.zone", "z includes other.zone, and there is none"),
        ("$GENERATE 5-1 a$ A 192.0.2.$", "is empty, or of more than"),
        ("$GENERATE 0-99999999 a$ A 192.0.2.1", "is empty, or of more than"),
        ("$GENERATE 1 a$ A 192.0.2.$", 'the range "1" is not written START-STOP or START-STOP/STEP'),
    ],
)
def test_a_line_that_is_wrong_is_told_with_its_number_and_what_it_is(line: str, words: str) -> None:
    assert words in told(line)


def test_all_faults_are_told_at_once_and_good_records_are_read_all_the_same() -> None:
    records, faults = read(HEAD + "a A x\nb A 192.0.2.1\nc FOO\nd A 192.0.2.2\n")
    assert [fault.partition(": ")[0] for fault in faults] == ["z:4", "z:6"]
    assert [record.owner for record in records[1:]] == ["b.example.org.", "d.example.org."]


def test_a_file_of_nothing_but_faults_is_not_read_to_its_end() -> None:
    _, faults = read("x\n" * 10 * FAULTS_MAX)
    assert len(faults) == FAULTS_MAX + 1
    assert faults[-1].endswith(f"{FAULTS_MAX} faults, and no look at the rest of the file")


def test_records_below_an_owner_that_is_no_name_are_not_given_to_another() -> None:
    records, faults = read(HEAD + "good A 192.0.2.1\nb..d A 192.0.2.2\n  TXT lost\n")
    assert [record.owner for record in records] == ["example.org.", "good.example.org."]
    assert faults[1] == "z:6: there is no owner above to repeat"


def test_relative_names_need_an_origin() -> None:
    _, faults = read("www 60 A 192.0.2.1\n@ 60 A 192.0.2.1\n", origin=None)
    assert faults == [
        'z:1: the name "www" has no dot at its end, and no $ORIGIN stands above',
        "z:2: @ stands for the origin, and no $ORIGIN stands above",
    ]


def test_a_ttl_left_out_is_the_last_one_said_or_the_soa_minimum_before_that() -> None:
    records, faults = read("@ SOA ns hostmaster 1 3600 600 86400 77\n@ NS ns\n@ 5 MX 0 .\nns A 192.0.2.1\n")
    assert not faults
    assert [record.ttl_s for record in records] == [77, 77, 5, 5]
    _, faults = read("www A 192.0.2.1\n")
    assert faults == ["z:1: no TTL: the record has none, and no $TTL stands above"]


def test_included_files_have_an_origin_of_their_own_and_give_the_old_one_back() -> None:
    files = {"inner": "@ TXT inner\nx A 192.0.2.1\n$ORIGIN elsewhere.example.org.\n"}
    master = MasterFile(
        HEAD + "first A 192.0.2.9\n$INCLUDE inner sub\n  AAAA 2001:db8::1\nlast A 192.0.2.2\n",
        file="outer",
        origin=None,
        include=lambda name, file: (f"{file}/{name}", files[name]),
    )
    found = [(record.owner, record.file, record.line) for record in master][1:]
    assert not master.faults
    assert found == [
        ("first.example.org.", "outer", 4),
        ("sub.example.org.", "outer/inner", 1),
        ("x.sub.example.org.", "outer/inner", 2),
        ("first.example.org.", "outer", 6),  # the owner, too, is as before the file (RFC 1035 section 5.1)
        ("last.example.org.", "outer", 7),
    ]


def test_a_file_that_includes_itself_ends() -> None:
    text = HEAD + "$INCLUDE z\n"
    master = MasterFile(text, file="z", origin=None, include=lambda name, _: (name, text))
    assert len(list(master)) == INCLUDE_DEPTH_MAX + 1
    assert [str(fault) for fault in master.faults] == [f"z:4: {INCLUDE_DEPTH_MAX} files include each other already"]


@pytest.mark.parametrize(
    ("line", "owners", "data"),
    [
        ("$GENERATE 1-3 host$ A 192.0.2.$", ["host1", "host2", "host3"], [1, 2, 3]),
        ("$GENERATE 0-4/2 h${10,3} A 192.0.2.${1}", ["h010", "h012", "h014"], [1, 3, 5]),
        ("$GENERATE 10-11 x${0,2,x} A 192.0.2.$", ["x0a", "x0b"], [10, 11]),
        ("$GENERATE 7-7 ${-2,0,d} 60 IN A 192.0.2.$", ["5"], [7]),
        ("$GENERATE 1-1 a$$b\\$c${0,9999} A 192.0.2.1", ["a\\$b\\$c1{0,9999}"], [1]),  # no width that fills the memory
        ("$GENERATE 254-254 ${0,4,n} A 192.0.2.$", ["e.f"], [254]),
    ],
)
def test_generate_counts(line: str, owners: list[str], data: list[int]) -> None:
    records, faults = read(HEAD + line + "\n")
    assert not faults
    assert [record.owner.removesuffix(".example.org.") for record in records[1:]] == owners
    assert [record.rdata[-1] for record in records[1:]] == data


def test_escapes_in_owners_are_those_of_rfc1035_section_5_1() -> None:
    records, faults = read(HEAD + "a\\.b A 192.0.2.1\nsp\\032ace A 192.0.2.1\nend\\. A 192.0.2.1\n")
    assert not faults
    owners = [record.owner for record in records[1:]]
    assert owners == ["a\\.b.example.org.", "sp\\032ace.example.org.", "end\\..example.org."]


@pytest.mark.parametrize("line", ["www {} A 192.0.2.1", "www {}s A 192.0.2.1", "$GENERATE 1-{} a$ A 192.0.2.1"])
def test_numbers_of_thousands_of_digits_are_faults_like_others(line: str) -> None:
    assert "9999" in told(line.format("9" * 5000))


def test_the_ttl_that_an_included_file_says_holds_for_what_follows() -> None:
    master = MasterFile(
        HEAD + "$INCLUDE ttl\nwww A 192.0.2.1\n", file="z", origin=None, include=lambda name, _: (name, "$TTL 77\n")
    )
    assert [record.ttl_s for record in master] == [300, 77]


def test_the_soa_minimum_is_no_larger_a_ttl_than_there_can_be() -> None:
    records, _ = read("@ SOA ns hostmaster 1 3600 600 86400 4294967295\n")
    assert [record.ttl_s for record in records] == [2_147_483_647]


@pytest.mark.parametrize(
    ("text", "rdata"),
    [
        ("0 foo.example.com.", "000003666f6f076578616d706c6503636f6d00"),
        ("1 .", "000100"),
        ("16 foo.example.com. port=53", "001003666f6f076578616d706c6503636f6d00000300020035"),
        (
            '16 foo.example.com. key667="hello\\210qoo"',
            "001003666f6f076578616d706c6503636f6d00029b000968656c6c6fd2716f6f",
        ),
        (
            '16 foo.example.org. (\n alpn="h2,h3-19" mandatory=ipv4hint,alpn\n ipv4hint=192.0.2.1)',
            "001003666f6f076578616d706c65036f7267000000000400010004000100090268320568332d313900040004c0000201",
        ),
    ],
)
def test_service_bindings_are_read_as_appendix_d_of_rfc9460_writes_them(text: str, rdata: str) -> None:
    for rtype in ("SVCB", "HTTPS"):
        (record,), faults = read(f"$TTL 60\n@ {rtype} {text}\n")
        assert (record.rdata.hex(), faults) == (rdata, [])


def test_letters_beyond_ascii_stand_in_quotes_and_comments_alone() -> None:
    text = '$TTL 60\nmüller A 192.0.2.1\nok TXT "müller" ; müller\na\u00a0A 192.0.2.1\nm SRV 0 0 1 müller\n'
    found, faults = read(text)
    assert [record.owner for record in found] == ["ok.example.org."]
    assert [fault[:4] for fault in faults] == ["z:2:", "z:4:", "z:5:"]
    assert '"müller" has a letter beyond ASCII (U+00FC)' in faults[0]


def test_a_byte_order_mark_is_told_and_hides_nothing() -> None:
    found, (fault,) = read("\ufeff$TTL 60\nwww A 192.0.2.1\n")
    assert len(found) == 1
    assert fault == "z:1: the file begins with a byte order mark (U+FEFF); save it without"


_OWNER = st.sampled_from(
    ["www", "@", "a.b", "IN", "A", "60", "", " ", "b.", "c\\.d", "e;f", "x" * 64, "_s._tcp", "*.w", "a..b", "$TTL"]
)
_BETWEEN = st.sampled_from(["", "", "60", "IN", "1h IN", "IN 60", "60 60", "CH", "in", "2147483648", "A", "("])
_KIND = st.sampled_from(["A", "AAAA", "NS", "CNAME", "PTR", "DNAME", "MX", "TXT", "a", "TYPE1"])
_DATUM = st.sampled_from(
    "192.0.2.1 192.0.2.256 192.0.2 2001:db8::1 :: 1::2::3 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: ::ffff:192.0.2.1 ::12345 "
    'fe80::1%eth0 www @ b. B.example. c\\.d e;f "g" müller ) a..b 10 $ORIGIN'.split(" ")
)
_TEXT = st.lists(st.builds("{} {} {} {}".format, _OWNER, _BETWEEN, _KIND, _DATUM), max_size=6).map("\n".join)


@settings(max_examples=400)
@given(_TEXT, st.sampled_from(["example.org.", ".", None]))
def test_what_is_read_in_one_step_is_what_is_read_step_by_step(text: str, origin: Name | None) -> None:
    in_one_step = read(text, origin=origin)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MasterFile, "_plain", lambda *_: None)
        assert in_one_step == read(text, origin=origin)
