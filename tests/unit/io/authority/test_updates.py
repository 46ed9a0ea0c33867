"""Updates by the wire: taken whole, one after the other, none lost; and refused where a name would go empty."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import dns.asyncquery
import dns.edns
import dns.message
import dns.rcode
import dns.tsig
import dns.update
import pytest

from standfast.authority.access import Access, ZoneRules
from standfast.authority.checks import Promise
from standfast.authority.diff import apply, difference
from standfast.authority.signing import SigningPolicy
from standfast.authority.zone import Zone
from standfast.dns.codec import rrset_to_text
from standfast.dns.model import Rcode, RRType
from standfast.dns.requests import read_message, read_request
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.errors import StandfastError
from standfast.io.authority.service import AuthorityService
from standfast.io.authority.updates import ATTEMPTS_MAX, Updates
from standfast.io.authority.zones import Published, ServedZones
from standfast.io.clients.cookies import Cookies
from standfast.io.clients.requests import Peer
from standfast.io.settings.authority import AuthorityConfig
from zones import draft

WAIT_S: Final = 60.0
KEY: Final = TsigKey(name="client.example.", algorithm="hmac-sha256", secret=b"s" * 32)
THEIRS: Final = dns.tsig.Key(KEY.name, KEY.secret, KEY.algorithm)
ZONE: Final = "$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.1\ncount TXT 0\n"
WWW: Final = "www.example.org."

Ask = Callable[[dns.message.Message], Awaitable[dns.message.Message]]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[AuthorityService, Ask]]:
    file = folder / "example.org.zone"
    file.write_text(ZONE)
    service = AuthorityService(
        AuthorityConfig(
            listen=(Server("127.0.0.1", 0),),
            zones=(file,),
            default_rules=ZoneRules(allow_update=Access(keys=frozenset({KEY.name})), promises=(Promise(name=WWW),)),
            keys={KEY.name: KEY},
        ),
        cookies=Cookies(None, time.monotonic),
        now=time.monotonic,
    )
    async with service:
        (bound,) = service.bound

        async def ask(query: dns.message.Message) -> dns.message.Message:
            return await dns.asyncquery.tcp(query, bound.host, port=bound.port, timeout=WAIT_S)

        yield service, ask


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, WAIT_S))


def changing(*, signed: bool = True) -> dns.update.UpdateMessage:
    return dns.update.UpdateMessage("example.org", keyring=THEIRS if signed else None)


def shown(zone: Zone, owner: str, rtype: int) -> list[str]:
    rrset = zone.rrset(owner, rtype)
    return [] if rrset is None else rrset_to_text(rrset)


def test_an_update_is_served_when_it_is_answered_and_the_serial_has_advanced(tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(tmp_path) as (service, ask):
            change = changing()
            change.present(WWW, "A")
            change.replace("www", 60, "A", "192.0.2.7")
            answer = await ask(change)
            assert (answer.rcode(), answer.had_tsig) == (dns.rcode.NOERROR, True)
            zone = service.zones["example.org."]
            assert (shown(zone, WWW, RRType.A), zone.serial) == (["192.0.2.7"], 2)
            change = changing()
            change.absent(WWW, "A")
            change.delete("www")
            assert (await ask(change)).rcode() == dns.rcode.YXRRSET
            assert service.zones["example.org."] is zone

    run(scene())


def test_a_promised_name_does_not_go_empty_by_an_update_and_the_refusal_says_why(tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(tmp_path) as (service, ask):
            before = service.zones["example.org."]
            for wrong, why in (
                ("www", "www.example.org. was promised never to be empty"),
                ("ns", "has no address here"),
            ):
                change = changing()
                change.add("other", 60, "A", "192.0.2.9")
                change.delete(wrong, "A")
                change.use_edns(0)
                answer = await ask(change)
                (error,) = (option for option in answer.options if isinstance(option, dns.edns.EDEOption))
                assert answer.rcode() == dns.rcode.REFUSED
                assert error.text
                assert why in error.text
            assert service.zones["example.org."] is before

    run(scene())


def test_who_may_not_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(tmp_path) as (service, ask):
            change = changing(signed=False)
            change.add("new", 60, "A", "192.0.2.9")
            assert (await ask(change)).rcode() == dns.rcode.REFUSED
            assert service.zones["example.org."].serial == 1

    run(scene())


def test_of_many_that_compare_and_swap_at_once_none_loses_what_another_did(tmp_path: Path) -> None:
    updaters, times = 20, 8

    async def scene() -> None:
        async with serving(tmp_path) as (service, ask):
            refused = 0

            async def count_up(number: int) -> None:
                nonlocal refused
                for _ in range(times):
                    while True:
                        (text,) = shown(service.zones["example.org."], "count.example.org.", RRType.TXT)
                        seen = int(text.strip('"'))
                        change = changing()
                        change.present("count", "TXT", str(seen))
                        change.replace("count", 60, "TXT", str(seen + 1))
                        change.add(f"u{number}", 60, "TXT", str(seen))
                        rcode = (await ask(change)).rcode()
                        if rcode == dns.rcode.NOERROR:
                            break
                        assert rcode == dns.rcode.NXRRSET
                        refused += 1

            await asyncio.gather(*map(count_up, range(updaters)))
            zone = service.zones["example.org."]
            assert shown(zone, "count.example.org.", RRType.TXT) == [f'"{updaters * times}"']
            seen = [text for number in range(updaters) for text in shown(zone, f"u{number}.example.org.", RRType.TXT)]
            assert sorted(seen) == sorted(f'"{number}"' for number in range(updaters * times))
            assert zone.serial == 1 + updaters * times
            assert refused  # they did meet

    run(scene())


class Crowded(ServedZones):
    """Publishes something else each time just before it is asked to, so many times."""

    times = 0

    async def publish(self, new: Zone, *, base: Zone | None, **others: Any) -> Published:
        if base is not None and self.times:
            self.times -= 1
            served = self.zones[new.origin]
            other = draft(ZONE.replace(" h 1 ", f" h {served.serial + 1} ") + f"o{served.serial} A 192.0.2.8\n").zone()
            changes = [each for each in difference(served, other) if each.after is not None]
            await super().publish(apply(served, changes), base=served, cause="file", changes=changes)
        return await super().publish(new, base=base, **others)


class Full(ServedZones):
    """Cannot keep what changes."""

    async def publish(self, new: Zone, *, base: Zone | None, **others: Any) -> Published:
        if base is not None:
            raise StandfastError("the disk is full")
        return await super().publish(new, base=base, **others)


def answered(zones: ServedZones, change: dns.update.UpdateMessage) -> int:
    """Return the code that an update of `zones` gets."""
    said: list[bytes] = []

    async def send(wire: bytes) -> None:
        said.append(wire)

    async def scene() -> None:
        await zones.publish(draft(ZONE).zone(), base=None, cause="file")
        request: Any = read_request(change.to_wire(), {}, now=0.0)
        peer = Peer(address="127.0.0.1", port=1, tcp=True)
        await Updates(zones, wall=lambda: 0.0).serve(request, zones.zones["example.org."], peer, send)

    run(scene())
    (wire,) = said
    return read_message(wire).rcode


@pytest.mark.parametrize(("times", "rcode"), [(ATTEMPTS_MAX - 1, Rcode.NOERROR), (ATTEMPTS_MAX, Rcode.SERVFAIL)])
def test_an_update_begins_anew_where_the_zone_changed_meanwhile(times: int, rcode: Rcode) -> None:
    zones = Crowded()
    zones.times = times
    change = changing(signed=False)
    change.add("new", 60, "A", "192.0.2.9")
    assert answered(zones, change) == rcode
    zone = zones.zones["example.org."]
    assert bool(shown(zone, "new.example.org.", RRType.A)) == (rcode == Rcode.NOERROR)
    assert all(shown(zone, f"o{number}.example.org.", RRType.A) for number in range(1, times + 1))


def test_prerequisites_are_judged_on_what_is_replaced_and_not_on_what_was_there_before() -> None:
    zones = Crowded()
    zones.times = 1
    change = changing(signed=False)
    change.absent("o1")
    change.add("new", 60, "A", "192.0.2.9")
    assert answered(zones, change) == Rcode.YXDOMAIN
    assert not shown(zones.zones["example.org."], "new.example.org.", RRType.A)


def test_what_cannot_be_kept_is_a_failure_and_nothing_changes() -> None:
    zones = Full()
    change = changing(signed=False)
    change.add("new", 60, "A", "192.0.2.9")
    assert answered(zones, change) == Rcode.SERVFAIL
    assert zones.zones["example.org."].serial == 1


def test_records_that_the_signer_of_a_zone_makes_are_not_for_others_to_change() -> None:
    change = changing(signed=False)
    change.add("@", 60, "CDS", "0 0 0 00")
    for policy, rcode in ((None, Rcode.NOERROR), (SigningPolicy(algorithm=13), Rcode.REFUSED)):
        assert answered(ServedZones(default=ZoneRules(signing=policy)), change) == rcode
