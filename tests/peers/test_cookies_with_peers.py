"""DNS cookies (RFC 7873): the guard asks real BIND and real Knot, and is asked by real dig, kdig and BIND."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.edns
import dns.message
import dns.rrset
import pytest

from peers.servers import SOA, dig, guard, hostile, knot, named, program
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

ZONE = "www 60 A 192.0.2.1\n" + "".join(f"www{number} 60 A 192.0.2.{number}\n" for number in range(2, 6))
COOKIE = re.compile(r"COOKIE: ([0-9A-Fa-f]{48})\b")


@pytest.fixture
def ports(free_port: Callable[[], int]) -> tuple[int, int]:
    """Where a server answers, and where it tells what it has counted."""
    return free_port(), free_port()


@contextmanager
def demanding_bind(folder: Path, ports: tuple[int, int]) -> Iterator[Server]:
    """Run BIND with a zone, whose answers by UDP are for those alone who show its cookie."""
    (folder / "zone").write_text(f"$ORIGIN example.org.\n{SOA}{ZONE}")
    options = "recursion no; require-server-cookie yes;"
    with named(folder, *ports, options, f'zone "example.org" {{ type primary; file "{folder}/zone"; }};') as server:
        yield server


def counted(port: int) -> dict[str, int]:
    """Return what BIND has counted of its clients (`nsstats`) and its servers (`stats`)."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/v1/server", timeout=20) as page:
        statistics = json.load(page)
    found: dict[str, int] = statistics["nsstats"] | statistics["views"]["_default"]["resolver"]["stats"]
    return found


# Upstreams


def test_bind_that_demands_its_cookie_gets_it_and_is_asked_by_udp_alone(tmp_path: Path, ports: tuple[int, int]) -> None:
    with demanding_bind(tmp_path, ports) as upstream:
        before = counted(ports[1])
        with guard(upstream) as guarded:
            for number in range(2, 6):
                (record,) = dig(guarded, f"www{number}.example.org").answer
                assert record == f"www{number}.example.org. IN A 192.0.2.{number}"
        after = counted(ports[1])
    assert after["QryBADCOOKIE"] - before.get("QryBADCOOKIE", 0) == 1
    assert after["CookieMatch"] - before.get("CookieMatch", 0) >= 4
    assert after.get("ReqTCP", 0) == before.get("ReqTCP", 0)


def test_bind_that_was_started_anew_with_another_secret_costs_no_answer(tmp_path: Path, ports: tuple[int, int]) -> None:
    with guard(Server("127.0.0.1", ports[0])) as guarded:
        for number in (2, 3):
            with demanding_bind(tmp_path, ports):
                assert dig(guarded, f"www{number}.example.org").status == "NOERROR"


def test_knot_that_demands_its_cookie_gets_it(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with knot(tmp_path, free_port(), {"example.org.": ZONE}, cookies=True) as upstream:
        refused = dig(upstream, "www.example.org", "+cookie=0102030405060708", "+nobadcookie")
        assert refused.status == "BADCOOKIE"
        with guard(upstream) as guarded:
            for number in range(2, 6):
                assert dig(guarded, f"www{number}.example.org").status == "NOERROR"


def test_a_forger_who_does_not_see_the_cookie_gets_nothing_in() -> None:
    def answers(wire: bytes, over_tcp: bool) -> list[bytes]:
        def answer(address: str, cookie: bytes) -> bytes:
            reply = dns.message.make_response(asked, recursion_available=True)
            reply.answer = [dns.rrset.from_text(asked.question[0].name, 1, "IN", "A", address)]
            option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie)
            reply.use_edns(0, options=[option] if cookie else [])
            return reply.to_wire()

        asked = dns.message.from_wire(wire)
        sent = next(each.to_wire() or b"" for each in asked.options if each.otype == dns.edns.OptionType.COOKIE)
        good = answer("192.0.2.1", sent[:8] + bytes(16))
        if over_tcp or len(sent) == 8:  # the first query has taught the guard that this server gives cookies
            return [answer("203.0.113.66", bytes(24)), good] if not over_tcp else [good]
        return [answer("203.0.113.66", bytes(24)), answer("203.0.113.66", b"")]

    with hostile(answers) as upstream, guard(upstream) as guarded:
        for number in range(3):
            assert dig(guarded, f"www{number}.example.org").answer == (f"www{number}.example.org. IN A 192.0.2.1",)


# Clients


@pytest.fixture
def guarded(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Server]:
    with knot(tmp_path / "knot", free_port(), {"example.org.": ZONE}) as upstream, guard(upstream) as server:
        yield server


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_dig_finds_the_cookie_good(guarded: Server, transport: str) -> None:
    first = dig(guarded, "www.example.org", "+cookie=0102030405060708", transport)
    cookie = COOKIE.search(first.text)
    assert cookie is not None
    assert cookie[1].startswith("0102030405060708")
    assert "(good)" in first.text
    again = dig(guarded, "www.example.org", f"+cookie={cookie[1]}", transport)
    assert f"COOKIE: {cookie[1]} (good)" in again.text
    assert again.answer == first.answer


def test_dig_gets_a_cookie_without_a_question(guarded: Server) -> None:
    dug = dig(guarded, "+header-only", "+cookie")
    assert (dug.status, COOKIE.search(dug.text) is not None) == ("NOERROR", True)
    wrong = dig(guarded, "+header-only", f"+cookie={'00' * 24}", "+nobadcookie")
    assert wrong.status == "BADCOOKIE"


def test_with_its_cookie_dig_gets_any_by_udp(guarded: Server) -> None:
    cookie = COOKIE.search(dig(guarded, "www.example.org", "ANY", "+cookie", "+notcp", "+ignore").text)
    assert cookie is not None
    with_it = dig(guarded, "www.example.org", "ANY", f"+cookie={cookie[1]}", "+notcp", "+ignore")
    assert "tc" not in with_it.flags
    assert any(" A 192.0.2.1" in record for record in with_it.answer)
    assert "tc" in dig(guarded, "www.example.org", "ANY", "+notcp", "+ignore").flags


def test_kdig_gets_a_cookie_and_shows_it(guarded: Server) -> None:
    argv = [program("kdig"), f"@{guarded.host}", "-p", str(guarded.port), "www.example.org"]
    first = subprocess.run([*argv, "+cookie"], capture_output=True, text=True, check=False, timeout=30)
    cookie = COOKIE.search(first.stdout)
    assert cookie is not None
    again = subprocess.run([*argv, f"+cookie={cookie[1]}"], capture_output=True, text=True, check=False, timeout=30)
    assert f"COOKIE: {cookie[1]}" in again.stdout
    assert "WARNING" not in first.stderr + again.stderr


def test_bind_as_a_forwarder_finds_our_cookies_good(guarded: Server, tmp_path: Path, ports: tuple[int, int]) -> None:
    options = f"forward only; forwarders {{ {guarded.host} port {guarded.port}; }};"
    with named(tmp_path, *ports, options) as forwarder:
        for number in range(2, 6):
            assert dig(forwarder, f"www{number}.example.org").status == "NOERROR"
        counts = counted(ports[1])
    assert counts["ServerCookieOut"] >= 3
    assert counts["CookieClientOk"] >= 4
    assert counts.get("CookieIn", 0) == counts["CookieClientOk"]
