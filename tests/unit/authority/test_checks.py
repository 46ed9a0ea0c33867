"""What forbids to serve a zone, and what is only told: each demand broken and kept."""

import pytest

from standfast.authority.checks import CHECKS, Promise, judge
from standfast.dns.masterfile import FAULTS_MAX
from zones import HEAD, draft, faults_of, zone


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
        (
            "*.w NS ns\n",
            "z:5: a name server at the wildcard *.w.example.org., which is a delegation to some servers and none to "
            "others",
        ),
        (
            "*.w CNAME a.w\n",
            "z:5: the CNAME chain *.w.example.org. -> a.w.example.org. -> a.w.example.org. leads back to itself",
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
        (
            "@ MX 1 192.0.2.1.\n",
            "z:5: example.org. MX leads to 192.0.2.1., a name that looks like an address",
        ),
        (
            "*.w DNAME example.net.\n",
            "z:5: a DNAME at the wildcard *.w.example.org., of which servers and caches make different things",
        ),
        (
            "@ NSEC3PARAM 1 0 1 -\n",
            "z:5: NSEC3 with 1 iterations and 0 octets of salt, which help nobody. Use none",
        ),
        (
            "@ NSEC3PARAM 1 0 51 -\n",
            "z:5: NSEC3 with 51 iterations: to many validators the zone is not signed. Use none",
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


def test_a_name_server_that_a_wildcard_has_an_address_for_is_found() -> None:
    assert faults_of("*.w A 192.0.2.1\n@ NS any.w\ncut NS other.w\n") == ([], [])
    assert len(faults_of("*.w A 192.0.2.1\nhere.w TXT x\n@ NS here.w\n@ NS below.here.w\n")[0]) == 2
    assert len(faults_of("*.w A 192.0.2.1\nx.w NS ns.x.w\n")[0]) == 1  # a wildcard is no glue


def test_an_address_without_a_dot_behind_it_is_a_name_of_the_zone() -> None:
    faults, warnings = faults_of("@ MX 1 192.0.2.1\n@ NS 192.0.2.2\n")
    assert [each.partition(", ")[2] for each in warnings] == [
        "which is not there",
        *["a name that looks like an address"] * 2,
    ]
    assert len(faults) == 1


def test_a_zone_that_secondaries_give_up_before_they_try_twice_is_told() -> None:
    for expire_s, count in ((4200, 1), (4201, 0)):
        made = draft(f"@ 60 SOA ns h 1 3600 600 {expire_s} 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n")
        assert len(judge(made)[1]) == count


NAMES = "".join(f"n{number} A 192.0.2.{number}\n" for number in range(9))  # and ns makes ten


@pytest.mark.parametrize(("kept", "fine"), [(9, True), (4, True), (3, False), (0, False)])
def test_a_zone_does_not_lose_more_than_half_of_its_names_at_once(kept: int, fine: bool) -> None:
    text = "".join(NAMES.splitlines(keepends=True)[:kept])
    faults, _ = faults_of(text, before=zone(NAMES))
    assert (not faults) is fine
    if not fine:
        first = f"z:2: {9 - kept} of 10 names would go, n{kept}.example.org. among them; at once no more than 50% may."
        assert faults[0].startswith(first)


def test_the_last_name_of_a_small_zone_does_not_go_unasked_and_names_that_come_make_up_for_none() -> None:
    head = "@ 60 SOA ns.example.net. h 1 3600 600 86400 60\n@ 60 NS ns.example.net.\n"
    before = draft(head + "www 60 A 192.0.2.1\n").zone()
    assert len(judge(draft(head), before=before)[0]) == 1
    assert len(judge(draft(head + "a 60 A 192.0.2.1\nb 60 A 192.0.2.1\n"), before=before)[0]) == 1
    assert judge(draft(head), before=before, loss_max=1.0) == ([], [])


DAY_S = 86_400
ENDS_S = 1_893_456_000  # 2030-01-01, when SIGNATURE ends
BEGINS_S = 1_577_836_800


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (BEGINS_S - 1, ["the signature of w.example.org. A holds from 2020-01-01 00:00 UTC on, and not yet"]),
        (BEGINS_S, []),
        (ENDS_S - 4 * DAY_S, []),
        (ENDS_S - 2 * DAY_S, ["the signature of w.example.org. A ends at 2030-01-01 00:00 UTC"]),
        (ENDS_S + 5, ["the signature of w.example.org. A ended at 2030-01-01 00:00 UTC"]),
        (None, []),
    ],
)
def test_signatures_that_do_not_hold_much_longer_are_told(now: float | None, told: list[str]) -> None:
    faults, warnings = faults_of(f"w A 192.0.2.1\nw RRSIG {SIGNATURE}\n", now=now)
    assert (faults, [each.partition(": ")[2] for each in warnings]) == ([], told)


def test_of_many_signatures_the_one_that_ends_first_is_told_and_how_many_follow() -> None:
    text = "".join(f"w{n} RRSIG A 13 2 60 2030010{n}000000 20200101000000 1 example.org. AAAA\n" for n in range(1, 7))
    _, (warning,) = faults_of(text, now=ENDS_S + DAY_S + 1)
    assert warning.endswith("w1.example.org. A ended at 2030-01-01 00:00 UTC, and 4 more in these days")


def test_no_more_faults_are_told_than_anybody_reads() -> None:
    faults, warnings = faults_of("".join(f"w{n} A 192.0.2.1\nw{n} CNAME gone{n}\n" for n in range(3 * FAULTS_MAX)))
    for each in (faults, warnings):
        assert len(each) == FAULTS_MAX + 1
        assert each[-1] == f"z: there is more; the first {FAULTS_MAX} are told"


def test_every_check_has_a_name_of_its_own() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
