"""RFC 9824: compact denial of existence, as a validator reads it."""

import dns.dnssec
import dns.name
import dns.node
import dns.rdataset
import pytest

from signed import NOW, key, rrset_of
from standfast.authority import compact as module
from standfast.authority.compact import CompactDenial, beside, compact, successor
from standfast.authority.denial import canonical
from standfast.authority.diff import apply
from standfast.authority.keys import one_key
from standfast.authority.lookup import answer
from standfast.authority.signing import Signing, SigningPolicy, sign
from standfast.authority.zone import Zone
from standfast.dns.codec import decode_query, encode_response
from standfast.dns.model import Query, Question, Rcode, Reply, RRset, RRType
from standfast.dns.wire import name_from_text, name_to_text
from zones import zone

RECORDS = """
www A 192.0.2.1
a.ent A 192.0.2.2
*.wild A 192.0.2.3
cut NS ns
safe NS ns
safe DS 1 13 2 00bbccddeeff00112233445566778899aabbccddeeff00112233445566778899
alias CNAME nothing
dn DNAME www
"""


class Clock:
    now_s = NOW

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(clock: Clock) -> Zone:
    policy = SigningPolicy(algorithm=15, denial="compact", lifetime_s=1_000_000)
    how = Signing(keys=one_key(key()), policy=policy, now=NOW)
    source = zone(RECORDS)
    return compact(apply(source, sign(source, [], how, served_serial=None)), how, clock)


def ask(served: Zone, qname: str, qtype: int = RRType.A, *, do: bool = True, compact_ok: bool = False) -> Reply:
    question = Question(f"{qname}.example.org." if qname else "example.org.", qtype)
    query = Query(id=1, question=question, cased_qname=question.qname, edns=True, do=do, compact_ok=compact_ok)
    return answer({served.origin: served}, query)


def validated(served: Zone, rrsets: tuple[RRset, ...], now: float = NOW) -> list[str]:
    """Return `rrsets` as text, after each was found to be validly signed as one that is no wildcard's."""
    origin = dns.name.from_text(served.origin)
    keys: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {
        origin: rrset_of(served.nodes[served.origin][RRType.DNSKEY])
    }
    data = [rrset for rrset in rrsets if rrset.rtype not in (RRType.RRSIG, RRType.NS)]
    for rrset in data:
        (made,) = (
            each
            for each in rrsets
            if each.rtype == RRType.RRSIG
            and each.owner == rrset.owner
            and int.from_bytes(each.rdatas[0][:2], "big") == rrset.rtype
        )
        dns.dnssec.validate(rrset_of(rrset), rrset_of(made), keys, origin, now)
        assert made.rdatas[0][3] == rrset.owner.count(".") - rrset.owner.startswith("*")
    return [f"{rrset.owner} {rrset_of(rrset)[0].to_text()}" for rrset in data]


def test_section_3_1_a_name_that_is_not_there_is_denied_as_a_type_with_nxname(served: Zone) -> None:
    reply = ask(served, "no.such")
    assert (reply.rcode, reply.answer) == (Rcode.NOERROR, ())
    assert validated(served, reply.authority)[1:] == [
        "no.such.example.org. \\000.no.such.example.org. RRSIG NSEC NXNAME"
    ]


def test_section_3_2_a_type_that_is_not_there_is_denied_by_all_that_are(served: Zone) -> None:
    reply = ask(served, "www", RRType.MX)
    assert reply.rcode == Rcode.NOERROR
    assert validated(served, reply.authority)[1:] == ["www.example.org. \\000.www.example.org. A RRSIG NSEC"]
    (apex,) = validated(served, ask(served, "", RRType.MX).authority)[1:]
    assert apex == "example.org. \\000.example.org. NS SOA RRSIG NSEC DNSKEY CDS CDNSKEY"


def test_section_3_2_an_empty_non_terminal_is_there_and_has_nothing(served: Zone) -> None:
    reply = ask(served, "ent")
    assert validated(served, reply.authority)[1:] == ["ent.example.org. \\000.ent.example.org. RRSIG NSEC"]


def test_section_3_3_a_wildcard_answers_as_if_the_name_were_there(served: Zone) -> None:
    reply = ask(served, "x.wild")
    assert validated(served, reply.answer) == ["x.wild.example.org. 192.0.2.3"]
    assert reply.authority == ()
    denied = ask(served, "x.wild", RRType.MX)
    assert validated(served, denied.authority)[1:] == ["x.wild.example.org. \\000.x.wild.example.org. A RRSIG NSEC"]


def test_section_3_4_an_unsigned_delegation_is_proven_by_a_record_that_ends_behind_it(served: Zone) -> None:
    reply = ask(served, "x.cut")
    assert validated(served, reply.authority) == ["cut.example.org. cut\\000.example.org. NS RRSIG NSEC"]
    assert validated(served, ask(served, "cut", RRType.DS).authority)[1:] == [
        "cut.example.org. cut\\000.example.org. NS RRSIG NSEC"
    ]
    assert [line.split()[0] for line in validated(served, ask(served, "x.safe").authority)] == ["safe.example.org."]


def test_section_3_5_nxname_cannot_be_asked_for() -> None:
    import dns.message

    wire = dns.message.make_query("x.example.org.", "TYPE128", id=1).to_wire()
    assert getattr(decode_query(wire), "rcode", None) == Rcode.FORMERR


def test_section_5_who_asks_for_no_signatures_or_takes_compact_answers_gets_nxdomain(served: Zone) -> None:
    assert ask(served, "no.such", do=False).rcode == Rcode.NXDOMAIN
    assert ask(served, "no.such", compact_ok=True).rcode == Rcode.NXDOMAIN
    assert ask(served, "ent", compact_ok=True).rcode == Rcode.NOERROR
    assert ask(served, "alias", compact_ok=True).rcode == Rcode.NXDOMAIN
    assert ask(served, "alias").rcode == Rcode.NOERROR


def test_section_5_1_the_flag_comes_back_from_a_zone_that_denies_compactly_and_from_no_other(served: Zone) -> None:
    import dns.message

    asked = dns.message.make_query("no.example.org.", "A", id=1, want_dnssec=True)
    asked.ednsflags |= 0x4000
    query = decode_query(asked.to_wire())
    assert isinstance(query, Query)
    for of, flags in ((served, 0xC000), (zone(RECORDS), 0x8000)):
        wire = encode_response(query, answer({of.origin: of}, query))
        assert dns.message.from_wire(wire).ednsflags & 0xFFFF == flags


def test_nsec_is_there_at_every_name(served: Zone) -> None:
    for name in ("www", "no.such", "ent"):
        reply = ask(served, name, RRType.NSEC)
        assert validated(served, reply.answer)[0].startswith(f"{name}.example.org. \\000.{name}.example.org. ")
        assert reply.authority == ()


def test_a_chain_of_names_ends_in_one_denial(served: Zone) -> None:
    reply = ask(served, "alias")
    assert [line.split()[0] for line in validated(served, reply.authority)] == ["example.org.", "nothing.example.org."]


def test_a_signature_is_made_once_until_it_ends_soon(served: Zone, clock: Clock) -> None:
    first = ask(served, "no.such").authority
    clock.now_s += 1_000
    assert ask(served, "no.such").authority == first
    clock.now_s += 900_000
    again = ask(served, "no.such").authority
    assert again != first
    validated(served, again[2:], clock.now_s)


def test_signatures_that_are_kept_are_bounded(served: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGNATURES_MAX", 10)
    for number in range(30):
        ask(served, f"n{number}")
    assert isinstance(served.denial, CompactDenial)
    assert len(served.denial._signatures) == 10


@pytest.mark.parametrize("length", [1, 30, 62, 63])
def test_the_next_name_is_later_also_where_no_label_fits(length: int) -> None:
    for last in (b"a", b"@", b"\xff", b"z"):
        for above in ("example.org.", ".".join(["x" * 63] * 2 + ["y" * 61]) + "."):
            label = b"m" * (length - 1) + last
            name = bytes((length,)) + label + name_from_text(above)
            for found in (successor(name), beside(name)):
                assert len(found) <= 255
                assert canonical(name_to_text(found).lower()) > canonical(name_to_text(name).lower())
            below = b"\1z" + name
            if len(below) <= 255:
                assert canonical(name_to_text(beside(name)).lower()) > canonical(name_to_text(below).lower())
