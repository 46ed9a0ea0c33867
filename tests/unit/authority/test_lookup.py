"""What a question gets, case by case; the same against Knot and NSD is in tests/peers."""

import pytest

from standfast.authority.denial import nsec3_hash
from standfast.authority.finding import Zones
from standfast.authority.lookup import answer
from standfast.dns.codec import rrset_to_text
from standfast.dns.model import CNAME_CHAIN_MAX, Query, Question, Rcode, Reply, RRset, RRType
from standfast.dns.name import parse_name
from zones import zone

ORG = zone(
    "@ A 192.0.2.10\nwww CNAME @\nchild CNAME host.sub\nout CNAME www.example.net.\n"
    "sub NS ns.sub\nns.sub A 192.0.2.53\nfar NS ns.example.net.\nnear NS ns\n"
    "*.w A 192.0.2.3\nhere.w TXT x\na.ent A 192.0.2.4\ndn DNAME example.net.\n"
    f"long DNAME {'.'.join(['a' * 63] * 3)}.example.net.\n"
    "many A 192.0.2.5\nmany TXT y\nmail MX 1 @\n"
)
SUB = zone("host A 192.0.2.90\n", origin="sub.example.org.")


def ask(qname: str, qtype: int = RRType.A, *, zones: Zones = {ORG.origin: ORG}) -> Reply:  # noqa: B006  not changed
    name = parse_name(qname)
    return answer(zones, Query(id=1, question=Question(name, qtype), cased_qname=name))


def texts(rrsets: tuple[RRset, ...]) -> list[str]:
    return [f"{r.owner} {r.ttl_s} {RRType(r.rtype).name} {text}" for r in rrsets for text in rrset_to_text(r)]


SOA = "example.org. 300 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 300"


def test_a_name_that_is_there_is_answered_with_authority_and_nothing_more() -> None:
    reply = ask("example.org")
    assert (reply.rcode, reply.aa, reply.ra) == (Rcode.NOERROR, True, False)
    assert texts(reply.answer) == ["example.org. 3600 A 192.0.2.10"]
    assert not reply.authority + reply.glue + reply.additional


def test_a_name_outside_of_all_zones_is_refused_and_the_reason_said() -> None:
    reply = ask("www.example.net")
    assert (reply.rcode, reply.aa, [error.code for error in reply.errors]) == (Rcode.REFUSED, False, [20])


def test_denials_carry_the_soa_with_the_smaller_of_its_ttl_and_minimum() -> None:
    for name, rcode in (("nope.example.org", Rcode.NXDOMAIN), ("ent.example.org", Rcode.NOERROR)):
        reply = ask(name)
        assert (reply.rcode, texts(reply.authority), reply.answer) == (rcode, [SOA], ())


@pytest.mark.parametrize(
    ("qname", "rcode", "count"),
    [
        ("any.w.example.org", Rcode.NOERROR, 1),
        ("deep.any.w.example.org", Rcode.NOERROR, 1),
        ("here.w.example.org", Rcode.NOERROR, 0),  # what is there is no wildcard's
        ("below.here.w.example.org", Rcode.NXDOMAIN, 0),  # its closest encloser has none
        ("w.example.org", Rcode.NOERROR, 0),
        ("*.w.example.org", Rcode.NOERROR, 1),
    ],
)
def test_wildcards_speak_for_what_is_not_there_below_their_closest_encloser(
    qname: str, rcode: Rcode, count: int
) -> None:
    reply = ask(qname)
    assert (reply.rcode, len(reply.answer)) == (rcode, count)
    assert all(rrset.owner == parse_name(qname) for rrset in reply.answer)


def test_a_delegation_is_referred_to_with_the_glue_that_must_go_along() -> None:
    reply = ask("deep.www.sub.example.org")
    assert (reply.rcode, reply.aa, reply.answer) == (Rcode.NOERROR, False, ())
    assert texts(reply.authority) == ["sub.example.org. 3600 NS ns.sub.example.org."]
    assert texts(reply.glue) == ["ns.sub.example.org. 3600 A 192.0.2.53"]
    assert not ask("far.example.org").glue
    assert texts(ask("near.example.org").additional) == ["ns.example.org. 3600 A 192.0.2.1"]


def test_a_ds_is_the_parents_to_answer_also_where_the_child_is_served() -> None:
    zones = {ORG.origin: ORG, SUB.origin: SUB}
    assert texts(ask("sub.example.org", RRType.DS, zones=zones).authority) == [SOA]
    assert texts(ask("sub.example.org", RRType.SOA, zones=zones).answer)[0].startswith("sub.example.org. 3600 SOA")
    alone = ask("sub.example.org", RRType.DS, zones={SUB.origin: SUB})
    assert alone.authority[0].owner == SUB.origin


def test_chains_are_followed_through_all_zones_that_are_served() -> None:
    assert [rrset.owner for rrset in ask("www.example.org").answer] == ["www.example.org.", "example.org."]
    referred = ask("child.example.org")
    assert (referred.aa, [rrset.rtype for rrset in referred.authority]) == (True, [RRType.NS])
    whole = ask("child.example.org", zones={ORG.origin: ORG, SUB.origin: SUB})
    assert texts(whole.answer)[1] == "host.sub.example.org. 3600 A 192.0.2.90"
    assert [rrset.rtype for rrset in ask("out.example.org").answer] == [RRType.CNAME]
    assert len(ask("www.example.org", RRType.CNAME).answer) == 1


def test_a_chain_across_zones_that_loops_ends() -> None:
    one = zone("a CNAME b.example.net.\n")
    other = zone("b CNAME a.example.org.\n", origin="example.net.")
    reply = ask("a.example.org", zones={one.origin: one, other.origin: other})
    assert [rrset.owner for rrset in reply.answer] == ["a.example.org.", "b.example.net."]
    chain = zone("".join(f"c{i} CNAME c{i + 1}.example.net.\n" for i in range(0, 99, 2)))
    back = zone("".join(f"c{i} CNAME c{i + 1}.example.org.\n" for i in range(1, 99, 2)), origin="example.net.")
    longest = ask("c0.example.org", zones={chain.origin: chain, back.origin: back})
    assert len(longest.answer) == CNAME_CHAIN_MAX + 1


def test_a_dname_gives_a_cname_or_yxdomain_where_the_name_would_be_too_long() -> None:
    reply = ask("x.y.dn.example.org")
    assert texts(reply.answer) == [
        "dn.example.org. 3600 DNAME example.net.",
        "x.y.dn.example.org. 3600 CNAME x.y.example.net.",
    ]
    assert ask("dn.example.org", RRType.DNAME).answer[0].rtype == RRType.DNAME
    assert ask("dn.example.org").answer == ()
    long = ask(f"{'b' * 60}.long.example.org")
    assert (long.rcode, [rrset.rtype for rrset in long.answer]) == (Rcode.YXDOMAIN, [RRType.DNAME])


def test_any_gets_all_of_a_name() -> None:
    assert len(ask("many.example.org", RRType.ANY).answer) == 2
    assert [rrset.rtype for rrset in ask("www.example.org", RRType.ANY).answer] == [RRType.CNAME]


def test_what_is_asked_for_next_goes_along_and_nothing_twice() -> None:
    assert texts(ask("mail.example.org", RRType.MX).additional) == ["example.org. 3600 A 192.0.2.10"]
    assert texts(ask("example.org", RRType.NS).additional) == ["ns.example.org. 3600 A 192.0.2.1"]


def test_signatures_of_addresses_that_stand_in_the_answer_do_not_go_along_again() -> None:
    signed = zone("@ MX 1 @\n@ A 192.0.2.1\n@ RRSIG A 8 2 60 20300101000000 20200101000000 1 example.org. AAAA\n")
    name = signed.origin
    question = Question(name, RRType.ANY)
    reply = answer({name: signed}, Query(id=1, question=question, cased_qname=name, edns=True, do=True))
    assert {rrset.rtype for rrset in reply.answer} >= {RRType.MX, RRType.A, RRType.RRSIG}
    assert [rrset.owner for rrset in reply.additional] == ["ns.example.org."]


def test_of_two_hashed_chains_a_denial_takes_the_records_of_one() -> None:
    hashed = nsec3_hash("example.org.", b"", 0).decode()
    other = nsec3_hash("example.org.", b"\xaa", 0).decode()
    signed = zone(
        "@ NSEC3PARAM 1 0 0 cc\n@ NSEC3PARAM 1 0 0 -\n"  # a chain that is not there yet, and one that is
        f"{hashed} NSEC3 1 0 0 - {hashed} SOA NS\n{other} NSEC3 1 0 0 aa {other} SOA NS\n"
    )
    name = signed.origin
    reply = answer({name: signed}, Query(id=1, question=Question(name, RRType.TXT), cased_qname=name, do=True))
    assert [rrset.owner for rrset in reply.authority] == [name, f"{hashed.lower()}.{name}"]
    missing = Question("nope.example.org.", RRType.A)
    reply = answer({name: signed}, Query(id=1, question=missing, cased_qname=missing.qname, do=True))
    assert {rrset.owner for rrset in reply.authority} == {name, f"{hashed.lower()}.{name}"}
