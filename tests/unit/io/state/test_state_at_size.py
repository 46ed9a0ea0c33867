"""Many names: what each takes of memory and disk, and that neither grows without bound, whatever is done with them."""

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import pytest

from running_guard import RunningGuard, write_config
from standfast.dns.model import Question, RRset, RRType
from standfast.guard.events import Alarm, Remember
from standfast.guard.known import Answer, Baseline, KnownGood
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.packed import key_of, pack
from standfast.io.state import store_file
from standfast.io.state.store import BATCH_MAX, Store

TIMEOUT_S: Final = 60.0
NOW: Final = 1_760_000_000.0
NAMES: Final = 50_000
LARGE: Final = 4_000  # names of large answers: 10 MB
OCTETS_MAX: Final = 600  # a name, of the whole guard; it takes about 350, and the rest is room for noise


def known(number: int, *, large: bool = False) -> KnownGood:
    """Return a known-good answer as most are: two addresses, seen for a month, its identity proven, its zone known.

    A `large` one has a text of half a page of the disk besides.
    """
    qname = f"service-{number:07d}.eu-west-1.example.org."
    addresses = [IPv4Address(0x0A000000 + 2 * number + i) for i in range(2)]
    rrset = RRset(owner=qname, rtype=RRType.A, ttl_s=60, rdatas=tuple(address.packed for address in addresses))
    text = RRset(owner=qname, rtype=RRType.TXT, ttl_s=60, rdatas=(bytes(2_000),))
    return KnownGood(
        question=Question(qname, RRType.A),
        answer=Answer(rrsets=(rrset, text) if large else (rrset,)),
        first_seen_s=NOW - 30 * 86_400,
        confirmed_at_s=NOW,
        changed_at_s=NOW - 30 * 86_400,
        confirmations=1_000,
        seen=tuple(map(str, addresses)),
        baseline=Baseline(asked_at_s=NOW - 3_600, proven_at_s=NOW - 3_600),
        zone="example.org.",
    )


def fill(folder: Path, names: int, *, large: bool = False) -> None:
    """Write a state file of `names` names."""
    connection, _ = store_file.open_file(folder / store_file.FILE_NAME)
    with closing(connection):
        store_file.prepare(connection)
        for first in range(0, names, BATCH_MAX):
            answers = (known(number, large=large) for number in range(first, min(first + BATCH_MAX, names)))
            store_file.write(connection, ((key_of(each.question), pack(each)) for each in answers), None)


def octets_of(folder: Path) -> int:
    """Return the size of the state file and all that lies beside it."""
    return sum(file.stat().st_size for file in folder.glob(store_file.FILE_NAME + "*"))


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., tuple[Store, KnownGoodMemory]]]:
    """Start a store on what is in `tmp_path`, and fill a memory from it; it is closed at the end."""
    begun: list[Store] = []
    alarms: queue.Queue[Alarm] = queue.Queue()

    def start(**options: float) -> tuple[Store, KnownGoodMemory]:
        store = Store(tmp_path, alarm=alarms.put, **options)  # type: ignore[arg-type]
        memory = KnownGoodMemory(entries_max=1_000_000, bytes_max=1 << 30)
        memory.load(store.load().entries)
        store.start(memory.entries)
        begun.append(store)
        return store, memory

    yield start
    for store in begun:
        assert store.close(TIMEOUT_S)
    assert alarms.empty()


def confirm(store: Store, memory: KnownGoodMemory, number: int, at_s: float) -> None:
    """Confirm the answer as the guard would."""
    before = memory.get(known(number).question)
    assert before is not None
    for action in memory.keep(replace(before, confirmed_at_s=at_s, confirmations=before.confirmations + 1)):
        assert isinstance(action, Remember)
        store.remember(action)


# Memory


def test_a_name_takes_less_than_600_octets_of_the_whole_guard(tmp_path: Path) -> None:
    resident = []
    for names in (0, NAMES):
        folder = tmp_path / str(names)
        (folder / "state").mkdir(mode=0o700, parents=True)
        fill(folder / "state", names)
        with RunningGuard(write_config(folder, "127.0.0.1:1")) as guard:
            assert guard.call("status")["known_good"] == names
            pages = int(Path(f"/proc/{guard.process.pid}/statm").read_text().split()[1])
            resident.append(pages * os.sysconf("SC_PAGE_SIZE"))
    taken = (resident[1] - resident[0]) / NAMES
    assert taken < OCTETS_MAX


def test_confirmations_that_wait_are_the_memorys_own_octets(
    tmp_path: Path, begin: Callable[..., tuple[Store, KnownGoodMemory]]
) -> None:
    fill(tmp_path, 100)
    store, memory = begin(confirmation_period_s=1e6)
    for at_s in (NOW + 60, NOW + 120):
        for number in range(100):
            confirm(store, memory, number, at_s)
    held = memory.entries()
    waiting = [(key, packed) for share in store._confirmed for key, packed in share.items()]
    assert waiting
    assert all(packed is held[key] for key, packed in waiting)


# The disk


def test_confirming_everything_again_and_again_grows_neither_file_nor_wal(
    tmp_path: Path, begin: Callable[..., tuple[Store, KnownGoodMemory]]
) -> None:
    fill(tmp_path, LARGE, large=True)
    before = octets_of(tmp_path)
    wal = tmp_path / f"{store_file.FILE_NAME}-wal"
    store, memory = begin(confirmation_period_s=0.2)
    largest = 0

    def look() -> int:
        with suppress(FileNotFoundError):
            return max(largest, wal.stat().st_size)
        return largest

    for period in range(5):
        for number in range(LARGE):
            confirm(store, memory, number, NOW + period)
            if number % 100 == 0:
                largest = look()
    deadline = time.monotonic() + TIMEOUT_S
    while not largest and time.monotonic() < deadline:  # all was confirmed before the writer woke up
        time.sleep(0.01)
        largest = look()
    assert store.close(TIMEOUT_S)
    assert 0 < largest < store_file.WAL_MAX + before  # what is kept, and a transaction on every page that there is
    assert octets_of(tmp_path) < 1.2 * before


def test_the_file_gives_the_room_of_forgotten_names_back_while_it_is_in_use(
    tmp_path: Path, begin: Callable[..., tuple[Store, KnownGoodMemory]]
) -> None:
    fill(tmp_path, LARGE, large=True)
    full = octets_of(tmp_path)
    store, _ = begin()
    for number in range(LARGE):
        if number % 10:
            store.forget(known(number).question)
    deadline = time.monotonic() + TIMEOUT_S
    file = tmp_path / store_file.FILE_NAME
    while file.stat().st_size > 0.6 * full and time.monotonic() < deadline:
        time.sleep(0.05)
    assert file.stat().st_size <= 0.6 * full  # 4 MiB of free pages are left as they are
    assert store.close(TIMEOUT_S)
    _, memory = begin()
    assert len(memory) == LARGE / 10


WITHOUT_ROOM: Final = """
import json, resource, sys, time
from pathlib import Path
from standfast.io.state import store_file
from standfast.io.state.store import Store
sys.path[:0] = sys.argv[2:]
from unit.io.state.test_state_at_size import known

tried = []
compact = store_file.compact
def noting(connection):
    tried.append("begun")
    more = compact(connection)
    tried.append("done")
    return more
store_file.compact = noting

def wait(condition):
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)

alarms = []
store = Store(Path(sys.argv[1]), alarm=lambda alarm: alarms.append(alarm.event))
list(store.load().entries)
file = store.path
full = file.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
store.start()
wait(lambda: tried)
time.sleep(0.5)  # it does not come back with anything
without_room, told, tried_without_room = file.stat().st_size, list(alarms), list(tried)
store.forget(known(10).question)
wait(lambda: alarms)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
wait(lambda: file.stat().st_size < 0.6 * full)
json.dump({
    "tried": tried_without_room, "told": told, "shrank": without_room < full, "then": alarms,
    "size": file.stat().st_size / full, "flushed": store.flush(60),
}, sys.stdout)
sys.stdout.flush()
import os
os._exit(0)  # as by kill -9: nothing is closed
"""


def test_a_disk_without_room_to_compact_the_file_costs_nothing_and_it_goes_on_when_there_is_room(
    tmp_path: Path, begin: Callable[..., tuple[Store, KnownGoodMemory]]
) -> None:
    fill(tmp_path, LARGE, large=True)
    connection, _ = store_file.open_file(tmp_path / store_file.FILE_NAME)
    with closing(connection):
        store_file.prepare(connection)
        store_file.write(connection, ((key_of(known(n).question), None) for n in range(LARGE) if n % 10), None)
    tests = Path(__file__).parents[3]
    command = [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path), str(tests)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["tried"] == ["begun"]
    assert report["told"] == []
    assert not report["shrank"]
    assert report["then"] == ["store.write_failed", "store.write_recovered"]
    assert report["flushed"]
    assert report["size"] < 0.6
    _, memory = begin()
    assert len(memory) == LARGE / 10 - 1
