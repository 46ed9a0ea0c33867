"""Odd queries to ours, Knot, NSD, BIND and PowerDNS: each answers as `odd-queries.txt` says, and docs/authority.md why.

In the file stands what ours says, and below it what a server says that says something else.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from peers.authorities import bind_with_files, knot_with_files, nsd_with_files, pdns_with_files
from peers.odd_queries import Asker, odd_queries, odd_streams
from running_guard import RunningGuard
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

FOLDER = Path(__file__).parent
FILES = {f"{path.stem}.": path for path in sorted((FOLDER / "zones").glob("*.zone"))}
OURS = "standfast"


@contextmanager
def serving(name: str, folder: Path, free_port: Callable[[], int]) -> Iterator[Server]:
    match name:
        case "knot":
            with knot_with_files(folder, free_port(), FILES) as server:
                yield server
        case "nsd":
            with nsd_with_files(folder, free_port(), FILES) as server:
                yield server
        case "bind":
            with bind_with_files(folder, free_port(), free_port(), FILES) as server:
                yield server
        case "powerdns":
            with pdns_with_files(folder, free_port(), FILES) as server:
                yield server
        case _:
            zones = json.dumps([str(path) for path in FILES.values()])
            config = folder / "standfast.toml"
            config.write_text(f'[authority]\nlisten = ["127.0.0.1:0"]\nnsid = "ns1"\nzones = {zones}\n')
            with RunningGuard(config) as running:
                yield running.address


def expected(name: str) -> dict[str, str]:
    """Return what is said to each query by the server called `name`."""
    found: dict[str, str] = {}
    query = ""
    for line in (FOLDER / "odd-queries.txt").read_text().splitlines():
        head, _, said = line.partition(": ")
        if not line.startswith("    "):
            query = head
            found[query] = said
        elif head.strip() == name:
            found[query] = said
    return found


@pytest.mark.parametrize("name", [OURS, "knot", "nsd", "bind", "powerdns"])
def test_odd_queries_are_answered_as_is_written_down(name: str, tmp_path: Path, free_port: Callable[[], int]) -> None:
    with serving(name, tmp_path, free_port) as server:
        asker = Asker(server)
        said = {query: asker.by_udp(wire) for query, wire in odd_queries()}
        said |= {f"by TCP, {query}": asker.by_tcp(octets, count) for query, octets, count in odd_streams()}
    assert said == expected(name)


def test_ours_is_silent_to_responses_and_to_what_is_no_message_alone() -> None:
    silent = {query for query, said in expected(OURS).items() if said == "silence"}
    assert silent == {"a response", "eleven octets"}
