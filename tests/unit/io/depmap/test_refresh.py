"""Fetching published lists: from a server on loopback, whatever it does."""

import asyncio
import gzip
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from standfast.depmap.errors import ModelError
from standfast.drills.live.authority import ThrowawayAuthority
from standfast.io.depmap import refresh
from standfast.io.depmap.ranges import read_lists
from standfast.io.depmap.refresh import PUBLISHED, Kept, Outcome, Published, Taken, fetch_all
from standfast.io.roots import Roots

FOUR = b"192.0.2.0/26\n192.0.2.64/26\n192.0.2.128/26\n192.0.2.192/26\n"
TWO, THREE = FOUR[:27], FOUR[:42]
NETWORKS = gzip.compress(b"192.0.2.0\t192.0.2.255\t64496\tUS\tFIRST\n")


@contextmanager
def serving(pages: dict[str, bytes], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve `pages` by their paths on a port of loopback; give the URL that they are below."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetched(
    folder: Path, pages: dict[str, bytes], *files: str, dry_run: bool = False, link: re.Pattern[bytes] | None = None
) -> list[Outcome]:
    with serving(pages) as base:
        lists = [Published(name=file, url=f"{base}/{file}", file=file, link=link) for file in files]
        return asyncio.run(fetch_all(lists, folder, tls=Roots().probes, dry_run=dry_run))


def test_lists_are_fetched_into_a_folder_that_need_not_be_there(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "ranges"
    outcomes = fetched(folder, {"/one.txt": FOUR, "/two.tsv.gz": NETWORKS}, "one.txt", "two.tsv.gz")
    assert outcomes == [Taken(4, None), Taken(1, None)]
    assert (folder / "one.txt").read_bytes() == FOUR
    lists = read_lists(folder)
    place, network = lists.places.of("192.0.2.9"), lists.network_of("192.0.2.9")
    assert place is not None
    assert network is not None
    assert (place.provider, network[0].number) == ("one", 64_496)


def test_a_list_that_changed_replaces_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_bytes(FOUR)
    assert fetched(tmp_path, {"/one.txt": THREE}, "one.txt") == [Taken(3, 4)]
    assert (tmp_path / "one.txt").read_bytes() == THREE
    assert [path.name for path in tmp_path.iterdir()] == ["one.txt"]


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ({"/one.txt": TWO}, "it has 2 ranges instead of 4 - if that is right, remove {path}"),
        ({"/one.txt": b"<html>Sorry!</html>"}, "it lists no address range"),
        ({"/one.txt": b'{"prefixes": ['}, "it is no JSON, or cut off"),
        ({"/one.txt": b""}, "it lists no address range"),
        ({}, "it answers with status 404"),
    ],
)
def test_a_list_that_is_broken_or_half_as_large_replaces_none(
    tmp_path: Path, pages: dict[str, bytes], why: str
) -> None:
    path = tmp_path / "one.txt"
    path.write_bytes(FOUR)
    outcomes = fetched(tmp_path, pages | {"/two.txt": FOUR}, "one.txt", "two.txt")
    assert outcomes == [Kept(why.format(path=path), 4), Taken(4, None)]
    assert path.read_bytes() == FOUR


def test_a_broken_list_is_replaced_by_a_good_one_of_any_size(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_bytes(b"nonsense")
    assert fetched(tmp_path, {"/one.txt": TWO}, "one.txt") == [Taken(2, None)]


def test_a_list_larger_than_there_may_be_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "LIST_OCTETS_MAX", 1 << 20)
    assert fetched(tmp_path, {"/one.txt": FOUR * 20_000}, "one.txt") == [Kept("it is larger than 1 MiB", None)]


def test_with_dry_run_nothing_is_written(tmp_path: Path) -> None:
    assert fetched(tmp_path / "none", {"/one.txt": FOUR}, "one.txt", dry_run=True) == [Taken(4, None)]
    assert not (tmp_path / "none").exists()


def test_a_server_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    with serving({}) as base:
        gone = Published(name="one", url=f"{base}/one.txt", file="one.txt")
    assert asyncio.run(fetch_all([gone], tmp_path, tls=Roots().probes)) == [Kept("connection refused", None)]


def test_a_page_that_links_to_the_list_leads_to_it(tmp_path: Path) -> None:
    with serving(pages := {"/list_20260824.txt": FOUR}) as base:
        pages["/page"] = f'<a href="{base}/list_20260824.txt">'.encode()
        pages["/empty"] = b"come back later"
        link = re.compile(rf"{base}/list_\d{{8}}\.txt".encode())
        lists = [
            Published(name=name, url=f"{base}/{name}", file=f"{name}.txt", link=link) for name in ("page", "empty")
        ]
        outcomes = asyncio.run(fetch_all(lists, tmp_path, tls=Roots().probes))
        assert outcomes == [
            Taken(4, None),
            Kept(f"{base}/empty links to none - fetch it by hand, and call it empty.txt", None),
        ]


def test_the_link_to_azures_list_is_found_in_its_page() -> None:
    azure = next(published for published in PUBLISHED if published.name == "azure")
    url = "https://download.microsoft.com/download/7/1/d/71d86715-5596-4529-9b13-da13a5de5b63/ServiceTags_Public_20260824.json"
    assert azure.link is not None
    found = azure.link.search(f'<p>Date</p><a href="{url}" download>Download</a>'.encode())
    assert found is not None
    assert found[0].decode() == url


def test_a_mirror_has_each_list_by_the_name_of_its_file(tmp_path: Path) -> None:
    azure = b'{"cloud": "Public", "values": [{"name": "A", "properties": {"addressPrefixes": ["192.0.2.0/24"]}}]}'
    with serving({"/lists/azure-service-tags.json": azure}) as base:
        lists = [published for published in PUBLISHED if published.name == "azure"]
        found = asyncio.run(fetch_all(lists, tmp_path, tls=Roots().probes, mirror=f"{base}/lists/"))
    assert found == [Taken(1, None)]


def test_only_a_server_with_a_certificate_that_is_trusted_is_believed(tmp_path: Path) -> None:
    authority = ThrowawayAuthority.create(tmp_path)
    own = authority.issue(["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert_file, own.key_file)
    with serving({"/one.txt": FOUR}, context) as base:
        lists = [Published(name="one", url=f"{base}/one.txt", file="one.txt")]
        (stranger,) = asyncio.run(fetch_all(lists, tmp_path / "lists", tls=Roots().probes))
        assert isinstance(stranger, Kept)
        assert stranger.why.startswith("no trust in its certificate: ")
        known = Roots(authority.ca_file).probes
        assert asyncio.run(fetch_all(lists, tmp_path / "lists", tls=known)) == [Taken(4, None)]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written: "):
        fetched(tmp_path / "file", {"/one.txt": FOUR}, "one.txt")


def test_every_published_list_is_fetched_by_https_into_a_file_of_its_own() -> None:
    assert all(published.url.startswith("https://") for published in PUBLISHED)
    assert len({published.file for published in PUBLISHED}) == len(PUBLISHED) == 7
