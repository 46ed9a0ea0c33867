"""What forbids to serve a zone, and what is only told: each demand broken and kept."""

import pytest

from standfast.authority.checks import CHECKS, Promise, judge
from zones import HEAD, draft, faults_of


def test_a_zone_that_keeps_every_demand_has_nothing_to_tell() -> None:
    text = (
        "www A 192.0.2.10\nalias CNAME www\nout CNAME www.example.net.\n*.w A 192.0.2.3\ntow CNAME any.w\n"
        "cut NS ns.cut\nns.cut A 192.0.2.9\ncut DS 1 13 2 " + "ab" * 32 + "\n"
        "dn DNAME example.net.\ntodn CNAME x.dn\n@ MX 10 www\n@ MX 20 mx.example.net.\n_s._tcp SRV 0 0 0 .\n"
    )
    assert faults_of(text) == ([], [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("www A 192.0.2.1\nwww CNAME ns\n", "z:6: www.example.org. has a CNAME, and A beside it"),
        (
            "www CNAME ns\nwww CNAME ns2\nns2 A 192.0.2.1\n",
            "z:5: www.example.org. has 2 CNAME records; there can be one",
        ),
        ("dn DNAME a.\ndn DNAME b.\n", "z:5: dn.example.org. has 2 DNAME records; there can be one"),
        (
            "dn DNAME a.\nx.dn A 192.0.2.1\n",
            "z:6: x.dn.example.org. is below the DNAME of dn.example.org., which hides it",
        ),
        ("sub SOA ns hostmaster 1 1 1 1 1\n", "z:5: an SOA at sub.example.org.; the zone begins at example.org."),
        (
            "cut NS ns\nwww.cut A 192.0.2.1\n",
            "z:6: www.cut.example.org. A belongs to the zone cut.example.org., which is delegated",
        ),
        (
            "cut NS ns\ncut TXT x\n",
            "z:6: cut.example.org. TXT belongs to the zone cut.example.org., which is delegated",
        ),
        (
            "cut NS ns.cut\n",
            "z:5: cut.example.org. has the name server ns.cut.example.org., and that has no address here",
        ),
        ("@ NS ns2\n", "z:3: example.org. has the name server ns2.example.org., and that has no address here"),
        ("www DS 1 13 2 " + "ab" * 32 + "\n", "z:5: a DS at www.example.org., where no other zone begins"),
        (
            "a CNAME b\nb CNAME a\n",
            "z:5: the CNAME chain a.example.org. -> b.example.org. -> a.example.org. leads back to itself",
        ),
        ("www.example.net. A 192.0.2.1\n", "z:5: www.example.net. is not in the zone example.org."),
        ("wwwexample.org. A 192.0.2.1\n", "z:5: wwwexample.org. is not in the zone example.org."),
    ],
)
def test_what_forbids_to_serve_a_zone_is_told_on_its_line(text: str, fault: str) -> None:
    faults, _ = faults_of(text)
    assert faults == [fault]


def test_a_wildcard_at_the_root_answers_for_what_a_cname_leads_to() -> None:
    assert faults_of("*. TXT x\nwww. CNAME other.\n", origin=".") == ([], [])


SIGNATURE = "A 8 2 60 20300101000000 20200101000000 1 example.org. AAAA"


def test_hashed_names_and_signatures_alone_are_not_below_a_dname() -> None:
    nsec3 = "@ NSEC3PARAM 1 0 0 -\n" + "0" * 32 + " NSEC3 1 0 0 - " + "1" * 32 + " A\n"
    assert faults_of(f"dn DNAME a.\nx.dn RRSIG {SIGNATURE}\n") == ([], [])
    (fault,) = faults_of("@ DNAME example.net.\n" + nsec3)[0]
    assert fault == "z:4: ns.example.org. is below the DNAME of example.org., which hides it"


def test_an_rrset_that_no_message_holds_forbids_to_serve_the_zone() -> None:
    text = "".join(f"big TXT {number:0250}\n" for number in range(260))
    (fault,) = faults_of(text)[0]
    assert fault == "z:5: big.example.org. TXT has 68380 octets; no message holds more than 65253"
    assert faults_of(text[: len(text) * 9 // 10 // 259 * 259]) == ([], [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@ MX 1 m\nm CNAME ns\n", "MX leads to m.example.org., which has a CNAME"),
        ("@ SRV 0 0 1 m\nm TXT x\n", "SRV leads to m.example.org., which has no address"),
        ("@ MX 1 m\na.m A 192.0.2.1\n", "MX leads to m.example.org., which has no address"),
    ],
)
def test_mail_and_services_that_lead_to_no_address_are_told(text: str, words: str) -> None:
    assert faults_of(text) == ([], [f"z:5: example.org. {words}"])


def test_a_chain_of_more_cnames_than_clients_follow_is_told_once() -> None:
    text = "".join(f"c{i} CNAME c{i + 1}\n" for i in range(40)) + "c40 A 192.0.2.1\n"
    faults, _ = faults_of(text)
    assert len(faults) <= 3
    assert "has more than 16 links" in faults[0]


def test_a_zone_without_soa_or_ns_is_refused() -> None:
    faults, _ = judge(draft("www 60 A 192.0.2.1\n"))
    assert [fault.text for fault in faults] == ["example.org. has no SOA", "example.org. has no NS"]


def test_addresses_of_name_servers_may_stand_below_any_cut() -> None:
    text = "one NS ns.two\ntwo NS ns.two\nns.two A 192.0.2.1\n"
    assert faults_of(text) == ([], [])


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("www CNAME gone\n", "z:5: www.example.org. CNAME leads to gone.example.org., which is not there"),
        ("@ MX 1 gone\n", "z:5: example.org. MX leads to gone.example.org., which is not there"),
        ("h HTTPS 1 gone\n", "z:5: h.example.org. HTTPS leads to gone.example.org., which is not there"),
        (
            "w 60 A 192.0.2.1\nw 70 A 192.0.2.2\n",
            "z:6: the TTL of w.example.org. A is 70 here and 60 above; the smallest holds",
        ),
        ("w A 192.0.2.1\nw A 192.0.2.1\n", "z:6: w.example.org. A has this record twice"),
    ],
)
def test_what_one_might_look_at_is_told_and_forbids_nothing(text: str, warning: str) -> None:
    assert faults_of(text) == ([], [warning])


def test_the_smallest_ttl_of_an_rrset_holds_for_all_of_it() -> None:
    made = draft(HEAD + "w 70 A 192.0.2.1\nw 60 A 192.0.2.2\nw 65 A 192.0.2.3\n")
    assert made.nodes["w.example.org."][1].ttl_s == 60


@pytest.mark.parametrize(
    ("text", "promise", "fault"),
    [
        (
            "www TXT x\n",
            Promise(name="www.example.org."),
            "www.example.org. was promised never to be empty, and has no addresses",
        ),
        ("", Promise(name="www.example.org."), "www.example.org. was promised never to be empty, and has no addresses"),
        (
            "www A 192.0.2.1\n",
            Promise(name="www.example.org.", addresses_min=2),
            "www.example.org. was promised 2 addresses, and has 1 address",
        ),
        (
            "www CNAME gone\n",
            Promise(name="www.example.org."),
            "www.example.org. was promised never to be empty, and has no addresses",
        ),
    ],
)
def test_a_zone_that_breaks_a_promise_is_refused(text: str, promise: Promise, fault: str) -> None:
    faults, _ = faults_of(text, promise)
    assert [each.partition(": ")[2] for each in faults] == [fault]


def test_promises_are_kept_by_any_addresses_also_behind_a_cname_and_concern_no_other_zone() -> None:
    promises = [Promise(name=f"{label}.example.org.", addresses_min=2) for label in ("www", "alias")]
    text = "www A 192.0.2.1\nwww AAAA 2001:db8::1\nalias CNAME www\n"
    assert faults_of(text, *promises, Promise(name="www.example.net.")) == ([], [])


def test_every_check_has_a_name_of_its_own() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
