"""Zones read anew while the service runs: nothing that was asked for is left out, and no zone is lost by a slip."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from standfast.io.authority.service import AuthorityService
from standfast.io.authority.zone_files import ZoneFileError, read_zone
from standfast.io.clients.cookies import Cookies
from standfast.io.settings.authority import AuthorityConfig

ZONE = "$TTL 300\n@ SOA ns hostmaster {} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"
NOTICED_S = 20.0


def service_of(*files: Path) -> AuthorityService:
    cookies = Cookies(None, time.monotonic)
    return AuthorityService(AuthorityConfig(listen=(), zones=files), cookies=cookies, now=time.monotonic)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(NOTICED_S):
        while not true():
            await asyncio.sleep(0.01)


def test_what_changes_while_files_are_read_is_read_when_asked_for_again(tmp_path: Path) -> None:
    asyncio.run(changes_while_files_are_read(tmp_path))


async def changes_while_files_are_read(tmp_path: Path) -> None:
    file, slow = tmp_path / "example.org.zone", tmp_path / "slow.zone"
    file.write_text(ZONE.format(1))
    os.mkfifo(slow)  # who reads it waits for who writes it
    service = service_of(file, slow)
    service.files.reload()
    writers: list[int] = []

    def is_read() -> bool:
        try:
            writers.append(os.open(slow, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody reads it yet
            return False
        return True

    await until(is_read)
    file.write_text(ZONE.format(2))
    service.files.reload()
    slow.unlink()
    os.close(writers[0])
    await until(lambda: "example.org." in service.zones and service.zones["example.org."].serial == 2)


def test_a_file_whose_zone_has_another_name_now_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "example.org.zone"
    file.write_text(ZONE.format(1))
    service = service_of(file)
    asyncio.run(service.files.load())
    file.write_text("$ORIGIN exmaple.org.\n" + ZONE.format(2))
    asyncio.run(service.files.load())
    assert {name: zone.serial for name, zone in service.zones.items()} == {"example.org.": 1}


def test_two_files_may_change_places(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    texts = [
        f"$ORIGIN {origin}.\n{ZONE.format(serial)}" for serial, origin in enumerate(("example.org", "example.net"))
    ]
    service = service_of(one, two)
    for first, second in (texts, reversed(texts)):
        one.write_text(first)
        two.write_text(second)
        asyncio.run(service.files.load())
        assert {name: zone.serial for name, zone in service.zones.items()} == {"example.org.": 0, "example.net.": 1}


def test_a_file_that_takes_the_zone_of_another_leaves_its_own_where_it_was(tmp_path: Path) -> None:
    one, two = tmp_path / "example.org.zone", tmp_path / "example.net.zone"
    for file in (one, two):
        file.write_text(ZONE.format(1))
    service = service_of(one, two)
    asyncio.run(service.files.load())
    one.write_text("$ORIGIN example.net.\n" + ZONE.format(2))
    asyncio.run(service.files.load())
    assert {name: zone.serial for name, zone in service.zones.items()} == {"example.org.": 1, "example.net.": 1}


def test_a_file_that_is_half_written_takes_no_names_away(tmp_path: Path) -> None:
    file = tmp_path / "example.org.zone"
    whole = ZONE.format(1) + "".join(f"n{number} A 192.0.2.1\n" for number in range(10))
    file.write_text(whole)
    service = service_of(file)
    asyncio.run(service.files.load())
    file.write_text(whole[: len(whole) // 2])
    asyncio.run(service.files.load())
    assert "n9.example.org." in service.zones["example.org."].nodes


def test_a_soa_that_cannot_be_read_still_says_what_the_zone_is_called(tmp_path: Path) -> None:
    file = tmp_path / "db"
    file.write_text(ZONE.format("seven") + "$ORIGIN sub.example.org.\nwww A 192.0.2.1\n")
    for text in (file.read_text(), file.read_text().replace("SOA", "SAO")):
        file.write_text(text)
        with pytest.raises(ZoneFileError) as caught:
            read_zone(file, origin="example.org.")
        assert not [fault for fault in caught.value.faults if "is not in the zone" in fault.text]


def test_an_include_of_what_is_no_path_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "example.org.zone"
    file.write_text(ZONE.format(1) + "$INCLUDE a\0b\n")
    with pytest.raises(ZoneFileError, match="is no path"):
        read_zone(file)
