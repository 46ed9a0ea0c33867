"""`standfast map refresh`: from a mirror on loopback."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli

FASTLY = '{"addresses": ["192.0.2.0/24"], "ipv6_addresses": ["2001:db8::/48"]}'


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, ["map", "refresh", *map(str, args)], prog_name="standfast")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "fastly-ip-ranges.json").write_text(FASTLY)
    (folder / "cloudflare-ip-ranges.json").write_text("{")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_is_fetched_is_a_table_and_what_is_not_ends_with_one(mirror: str, tmp_path: Path) -> None:
    result = run("fastly", "cloudflare", "--mirror", mirror, "--folder", tmp_path / "lists")
    assert result.exit_code == 1
    assert [" ".join(line.split()) for line in result.output.splitlines()] == [
        "LIST RANGES BEFORE",
        "fastly 2 none",
        "cloudflare none not there: it is no JSON, or cut off",
        "",
        f"is in {tmp_path / 'lists'}",
    ]
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["fastly-ip-ranges.json"]


def test_a_dry_run_says_what_would_be_and_writes_nothing(mirror: str, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    result = run("fastly", "--mirror", mirror, "--folder", folder, "--dry-run", "--json")
    assert result.exit_code == 0
    assert json.loads(result.output) == {
        "folder": str(folder),
        "written": False,
        "lists": {
            "fastly": {
                "url": "https://api.fastly.com/public-ip-list",
                "file": "fastly-ip-ranges.json",
                "ranges": 2,
                "before": None,
                "kept": None,
            }
        },
    }
    assert not folder.exists()


def test_without_a_folder_named_lists_go_where_maps_look_for_them(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDFAST_RANGES", str(tmp_path / "own"))
    assert run("fastly", "--mirror", mirror).exit_code == 0
    assert (tmp_path / "own" / "fastly-ip-ranges.json").read_text() == FASTLY


@pytest.mark.parametrize("args", [["nobody"], ["--mirror", "ftp://mirror.example.org"], ["--mirror", "mirror"]])
def test_a_list_or_a_mirror_that_cannot_be_is_a_mistake_of_usage(args: list[str]) -> None:
    assert run(*args).exit_code == 2
