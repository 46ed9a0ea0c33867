"""What a guard sends upstream, by the wire: RFC 5452 (unpredictable), 6891 (hop by hop), 4035 and 6840 (DNSSEC)."""

import dns.edns
import dns.flags
import dns.message
import pytest

from rfc.conftest import Wire


def asked(wire: Wire, qname: str) -> dns.message.Message:
    """Return the query for its address of A that `qname` brought upstream."""
    (query,) = [query for query in wire.asked(qname) if query.question[0].rdtype == 1]
    return query


def test_rfc5452_9_2_ids_and_ports_and_letters_are_drawn_anew_for_each_query(wire: Wire) -> None:
    names = [f"n{number}.unpredictable.example.org" for number in range(60)]
    for qname in names:
        assert wire.udp(dns.message.make_query(qname, "A")).answer
    seen = [(q, port) for q, port in wire.seen() if b"unpredictable" in q.question[0].name.to_text().lower().encode()]
    ids, ports = {query.id for query, _ in seen}, {port for _, port in seen}
    letters = {query.question[0].name.labels[1] for query, _ in seen}
    # Of 60 draws from 65,536 two are the same in one run of 37; that five are would be one of millions.
    assert len(ids) >= len(seen) - 4
    assert len(ports) >= len(seen) - 4
    assert max(ids) - min(ids) > 30_000
    assert max(ports) - min(ports) > 30_000
    assert len(letters) >= len(seen) - 8  # of the 2^13 forms of "unpredictable"


def test_rfc6891_6_1_1_a_clients_opt_goes_no_further_and_ours_is_our_own(wire: Wire) -> None:
    options = [
        dns.edns.ECSOption("192.0.2.0", 24),
        dns.edns.GenericOption(dns.edns.OptionType.make(65_001), b"private"),
    ]
    query = dns.message.make_query("hop.example.org", "A", use_edns=0, payload=4096, ednsflags=0x0040, options=options)
    response = wire.udp(query)
    sent = asked(wire, "hop.example.org")
    assert (sent.edns, sent.payload, sent.ednsflags) == (0, 1232, 0)
    assert not {dns.edns.OptionType.ECS, 65_001} & {option.otype for option in sent.options}
    assert response.payload == 1232
    assert not {dns.edns.OptionType.ECS, 65_001} & {option.otype for option in response.options}


def test_rfc6891_6_2_1_a_client_without_edns_does_not_keep_us_from_it(wire: Wire) -> None:
    response = wire.udp(dns.message.make_query("plain.example.org", "A"))
    assert response.edns == -1
    assert asked(wire, "plain.example.org").edns == 0


def test_rfc4035_4_1_we_take_at_least_1220_octets(wire: Wire) -> None:
    wire.udp(dns.message.make_query("size.example.org", "A"))
    assert asked(wire, "size.example.org").payload >= 1220


@pytest.mark.parametrize("do", [True, False])
def test_rfc4035_3_2_1_do_is_asked_for_those_who_ask_for_it(wire: Wire, do: bool) -> None:
    qname = f"do-{do}.example.org"
    wire.udp(dns.message.make_query(qname, "A", use_edns=0, want_dnssec=do))
    assert bool(asked(wire, qname).ednsflags & dns.flags.DO) is do


@pytest.mark.parametrize("cd", [True, False])
def test_rfc4035_3_2_2_cd_is_asked_for_those_who_ask_for_it_and_copied_into_the_response(wire: Wire, cd: bool) -> None:
    qname = f"cd-{cd}.example.org"
    query = dns.message.make_query(qname, "A")
    query.flags |= dns.flags.CD if cd else 0
    response = wire.udp(query)
    assert bool(response.flags & dns.flags.CD) is cd
    assert bool(asked(wire, qname).flags & dns.flags.CD) is cd


@pytest.mark.parametrize(("ad", "do", "told"), [(False, False, False), (True, False, True), (False, True, True)])
def test_rfc6840_5_7_and_8_ad_is_always_asked_for_and_told_to_those_who_know_it(
    wire: Wire, ad: bool, do: bool, told: bool
) -> None:
    qname = f"ad-{ad}-{do}.example.org"
    query = dns.message.make_query(qname, "A", use_edns=0, want_dnssec=do)
    query.flags |= dns.flags.AD if ad else 0
    assert bool(wire.udp(query).flags & dns.flags.AD) is told
    assert asked(wire, qname).flags & (dns.flags.AD | dns.flags.RD) == dns.flags.AD | dns.flags.RD


def test_rfc3225_3_the_same_client_may_ask_both_ways(wire: Wire) -> None:
    for do in (False, True, False):
        wire.udp(dns.message.make_query("both.example.org", "A", use_edns=0, want_dnssec=do))
    bits = [bool(q.ednsflags & dns.flags.DO) for q in wire.asked("both.example.org") if q.question[0].rdtype == 1]
    assert bits == [False, True]
