"""RFC 4592: the zone of its section 2.2.1, and what its sections 2 to 4 say of it."""

import pytest

from standfast.authority.lookup import answer
from standfast.dns.model import Query, Question, Rcode, Reply, RRType
from zones import draft, faults_of

ZONE = draft(
    "$TTL 3600\n"
    "@ SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 300\n"
    "@ NS ns.example.com.\n"
    "@ NS ns.example.net.\n"
    '* TXT "this is a wildcard"\n'
    "* MX 10 host1\n"
    'sub.* TXT "this is not a wildcard"\n'
    "host1 A 192.0.2.1\n"
    "_ssh._tcp.host1 SRV 0 0 22 host1\n"
    "_ssh._tcp.host2 SRV 0 0 22 host1\n"
    "subdel NS ns.example.com.\n"
    "subdel NS ns.example.net.\n",
    origin="example.",
).zone()


def ask(qname: str, qtype: int) -> Reply:
    return answer({ZONE.origin: ZONE}, Query(id=1, question=Question(qname, qtype), cased_qname=qname))


@pytest.mark.parametrize(("qname", "qtype"), [("host3.example.", RRType.MX), ("foo.bar.example.", RRType.TXT)])
def test_2_2_1_names_that_are_not_there_are_answered_by_the_wildcard_under_their_own(qname: str, qtype: int) -> None:
    reply = ask(qname, qtype)
    assert [(rrset.owner, rrset.rtype) for rrset in reply.answer] == [(qname, qtype)]


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode"),
    [
        ("host3.example.", RRType.A, Rcode.NOERROR),  # the wildcard has none
        ("host1.example.", RRType.MX, Rcode.NOERROR),  # the name is there
        ("sub.*.example.", RRType.MX, Rcode.NOERROR),  # so is this
        ("_telnet._tcp.host1.example.", RRType.SRV, Rcode.NXDOMAIN),  # _tcp.host1 is there, and has no wildcard
        ("ghost.*.example.", RRType.MX, Rcode.NXDOMAIN),  # so is the asterisk
        ("host2.example.", RRType.MX, Rcode.NOERROR),  # section 2.2.2: an empty non-terminal is there
        ("_tcp.host2.example.", RRType.TXT, Rcode.NOERROR),
    ],
)
def test_2_2_1_what_is_there_and_what_is_below_it_is_not_the_wildcards(qname: str, qtype: int, rcode: Rcode) -> None:
    reply = ask(qname, qtype)
    assert (reply.rcode, reply.answer, [rrset.rtype for rrset in reply.authority]) == (rcode, (), [RRType.SOA])


def test_2_2_1_below_a_delegation_there_is_no_wildcard_of_the_zone() -> None:
    reply = ask("host.subdel.example.", RRType.A)
    assert (reply.aa, reply.answer) == (False, ())
    assert [(rrset.owner, rrset.rtype) for rrset in reply.authority] == [("subdel.example.", RRType.NS)]


def test_2_3_a_wildcard_that_is_asked_for_itself_is_a_name_as_any_other() -> None:
    assert [rrset.owner for rrset in ask("*.example.", RRType.TXT).answer] == ["*.example."]
    assert [rrset.owner for rrset in ask("sub.*.example.", RRType.TXT).answer] == ["sub.*.example."]


def test_3_3_1_only_the_closest_encloser_may_have_a_wildcard() -> None:
    assert ask("a.b.host1.example.", RRType.TXT).rcode == Rcode.NXDOMAIN
    assert ask("a.b.nobody.example.", RRType.TXT).answer


def test_4_2_and_4_6_no_delegation_and_no_ds_stands_at_a_wildcard() -> None:
    assert len(faults_of("*.w NS ns\n")[0]) == 1
    assert len(faults_of(f"*.w DS 1 13 2 {'ab' * 32}\n")[0]) == 1


def test_4_4_a_dname_at_a_wildcard_is_warned_of() -> None:
    faults, warnings = faults_of("*.w DNAME example.net.\n")
    assert (len(faults), len(warnings)) == (0, 1)
