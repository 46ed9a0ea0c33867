"""Publishing: one version after the other, none from a stale base, none that breaks a promise, all told once."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Final

import pytest

from standfast.authority.access import NO_RULES
from standfast.authority.checks import Promise
from standfast.authority.diff import apply, difference
from standfast.authority.zone import SERIAL_AT, Zone
from standfast.dns.changes import Change
from standfast.dns.codec import rrset_from_text
from standfast.dns.model import RRType
from standfast.io.authority.zones import Published, ServedZones, StaleZone, UnfitZone, records_of
from zones import draft

WAIT_S: Final = 20.0
WWW: Final = "www.example.org."


def zone(serial: int, *addresses: str) -> Zone:
    lines = "\n".join(f"www A {each}" for each in addresses)
    text = f"$TTL 300\n@ SOA ns h {serial} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n{lines}\n"
    return draft(text).zone()


def run(scene: Coroutine[None, None, None]) -> None:
    async def play() -> None:
        await asyncio.wait_for(scene, WAIT_S)

    asyncio.run(play())


def test_a_version_takes_the_place_of_the_one_it_was_made_from_and_all_are_told() -> None:
    async def scene() -> None:
        served = ServedZones()
        told: list[Published] = []
        served.on_published.append(told.append)
        first, second = zone(1, "192.0.2.1"), zone(2, "192.0.2.2")
        await served.publish(first, base=None, cause="file")
        published = await served.publish(second, base=first, cause="file")
        assert served.zones["example.org."] is second
        assert told[0].before is None
        assert told[1] == published
        assert apply(first, published.changes).rrset(WWW, RRType.A) == second.rrset(WWW, RRType.A)

    run(scene())


def test_a_version_from_a_stale_base_is_refused_and_nothing_changes() -> None:
    async def scene() -> None:
        served = ServedZones()
        first, second = zone(1, "192.0.2.1"), zone(2, "192.0.2.2")
        await served.publish(first, base=None, cause="file")
        await served.publish(second, base=first, cause="update")
        with pytest.raises(StaleZone) as caught:
            await served.publish(zone(3), base=first, cause="update")
        assert (caught.value.held, caught.value.current) == (1, 2)
        with pytest.raises(StaleZone):
            await served.publish(zone(3), base=None, cause="update")
        assert served.zones["example.org."] is second

    run(scene())


def test_of_two_at_once_from_the_same_base_one_comes_through() -> None:
    async def scene() -> None:
        served = ServedZones()
        first = zone(1, "192.0.2.1")
        await served.publish(first, base=None, cause="file")
        both = (served.publish(zone(2, f"192.0.2.{each}"), base=first, cause="update") for each in (2, 3))
        found = await asyncio.gather(*both, return_exceptions=True)
        assert [type(each) for each in found] == [Published, StaleZone]

    run(scene())


def test_a_version_that_breaks_a_promise_is_refused() -> None:
    async def scene() -> None:
        served = ServedZones(default=replace(NO_RULES, promises=(Promise(name=WWW),)))
        first = zone(1, "192.0.2.1")
        await served.publish(first, base=None, cause="file")
        with pytest.raises(UnfitZone) as caught:
            await served.publish(zone(2), base=first, cause="update")
        assert WWW in str(caught.value)
        assert served.zones["example.org."] is first

    run(scene())


def test_a_version_without_a_change_is_none() -> None:
    async def scene() -> None:
        served = ServedZones()
        first = zone(1, "192.0.2.1")
        await served.publish(first, base=None, cause="file")
        told: list[Published] = []
        served.on_published.append(told.append)
        assert (await served.publish(zone(1, "192.0.2.1"), base=first, cause="file")).after is first
        assert served.zones["example.org."] is first
        assert not told

    run(scene())


def test_the_journal_has_the_steps_between_serials_and_none_across_one_that_did_not_advance() -> None:
    async def scene() -> None:
        served = ServedZones()
        versions = [zone(1, "192.0.2.1"), zone(2, "192.0.2.2"), zone(5, "192.0.2.2", "192.0.2.3")]
        for before, after in zip([None, *versions], versions, strict=False):
            await served.publish(after, base=before, cause="update")
        steps = served.journal("example.org.").since(1)
        assert steps is not None
        replayed = versions[0]
        for step in steps:
            replayed = apply(replayed, step.changes)
        assert not difference(replayed, versions[-1])
        await served.publish(zone(5, "192.0.2.9"), base=versions[-1], cause="file")
        assert served.journal("example.org.").since(1) is None
        assert served.journal("example.org.").since(5) is None

    run(scene())


def test_changes_that_are_known_need_not_be_found() -> None:
    async def scene() -> None:
        served = ServedZones()
        first = zone(1, "192.0.2.1")
        await served.publish(first, base=None, cause="file")
        after = replace(first.soa, rdatas=(first.soa.rdatas[0][:SERIAL_AT] + b"\0\0\0\2" + first.soa.rdatas[0][-16:],))
        changes = (
            Change(before=first.soa, after=after),
            Change(before=None, after=rrset_from_text("new.example.org.", RRType.A, 60, ["192.0.2.7"])),
        )
        published = await served.publish(apply(first, changes), base=first, cause="update", changes=changes)
        assert published.changes == changes
        assert served.zones["example.org."].serial == 2

    run(scene())


def test_what_was_begun_is_ended_when_nobody_waits_for_it_any_more() -> None:
    async def scene() -> None:
        served = ServedZones()
        first, second = zone(1, "192.0.2.1"), zone(2, "192.0.2.2")
        await served.publish(first, base=None, cause="file")
        waiting = asyncio.ensure_future(served.publish(second, base=first, cause="update"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await served.settle()
        assert served.zones["example.org."] is second

    run(scene())


def test_records_are_counted_with_their_signatures() -> None:
    assert records_of(zone(1, "192.0.2.1", "192.0.2.2")) == 5
