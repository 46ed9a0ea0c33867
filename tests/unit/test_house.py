"""The rules that hold the house together: who may import whom, what a core may touch, what is locked."""

import ast
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bound_sockets import bound_pair, bound_udp

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "src" / "standfast"

# Every room that only decides; one that is yet to come is held to it from its first module on.
CORES = ("authority", "control", "depmap", "dns", "evidence", "guard", "ledger", "proof", "replicas")

# What a core may import: a list of what is pure, as no list of what is not would ever be complete.
PURE = frozenset(
    """
    __future__ abc array base64 binascii bisect collections contextlib copy dataclasses datetime decimal
    difflib enum fractions functools graphlib hashlib heapq hmac html ipaddress itertools json marshal math operator re
    statistics string struct textwrap types typing unicodedata xml zlib
    cryptography dns standfast yaml
    """.split()
)
# The impure corners of what is pure: clocks, XML from files, the half of dnspython with sockets and randomness.
IMPURE = frozenset(
    """
    datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today
    dns.asyncbackend dns.asyncquery dns.asyncresolver dns.entropy dns.query dns.quic dns.resolver
    xml.dom xml.etree xml.sax
    """.split()
)
IMPURE_BUILTINS = frozenset("open input breakpoint exec eval __import__".split())
# Functions that draw a random ID or read the clock unless they are told.
IMPURE_WITHOUT = {
    "dns.message.make_query": "id",
    "dns.message.Message": "id",
    "dns.message.QueryMessage": "id",
    "dns.update.UpdateMessage": "id",
    "dns.dnssec.validate": "now",
    "dns.dnssec.validate_rrsig": "now",
}


# Imports point one way.


def test_imports_point_one_way_and_only_the_dns_room_knows_dnspython() -> None:
    checked = lint_imports(PACKAGE.parent)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("dns/name.py", "import standfast.guard", "Imports point one way"),
        ("evidence/tls.py", "import standfast.guard", "Imports point one way"),
        ("guard/judge.py", "import standfast.io", "Imports point one way"),
        ("guard/judge.py", "import standfast.control", "Imports point one way"),
        ("sim/world.py", "import standfast.io", "Imports point one way"),
        ("drills/score.py", "import standfast.cli", "Imports point one way"),
        ("newroom/__init__.py", "", "Imports point one way"),
        ("guard/judge.py", "import dns.message", "Only the dns room knows dnspython"),
        ("io/server.py", "from dns import rcode", "Only the dns room knows dnspython"),
    ],
)
def test_an_import_against_the_rules_is_caught(house: Path, module: str, line: str, contract: str) -> None:
    (house / module).parent.mkdir(exist_ok=True)
    (house / module).write_text(f"{line}\n")
    checked = lint_imports(house.parent)
    assert checked.returncode == 1
    assert any(row.startswith(contract) and row.endswith("BROKEN") for row in checked.stdout.splitlines())


def test_a_house_without_imports_against_the_rules_passes(house: Path) -> None:
    checked = lint_imports(house.parent)
    assert checked.returncode == 0, checked.stdout


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a package `standfast` of rooms that are empty, but for one use of dnspython where it belongs."""
    rooms = ("authority", "cli", "control", "depmap", "dns", "drills", "evidence", "guard", "io", "ledger", "sim")
    package = tmp_path / "standfast"
    for folder in (package, *(package / room for room in rooms)):
        folder.mkdir()
        (folder / "__init__.py").touch()
    (package / "dns" / "wire.py").write_text("import dns.wire\n")
    return package


def lint_imports(source: Path) -> subprocess.CompletedProcess[str]:
    """Check the `standfast` package below the folder `source` against the contracts of pyproject.toml."""
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-logo", "--no-cache", "--config", CHECKOUT / "pyproject.toml"],
        cwd=source,
        env=os.environ | {"PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


# No core touches a clock, randomness, a socket or a disk.


def test_no_core_touches_a_clock_or_randomness_or_a_socket_or_a_disk() -> None:
    modules = [
        *PACKAGE.glob("*.py"),
        *(module for room in CORES for module in (PACKAGE / room).rglob("*.py")),
    ]
    found = [f"{path}:{what}" for path in modules for what in impurities(path.read_text())]
    assert not found, "not pure, or not yet on the list of what is (PURE):\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("snippet", "what"),
    [
        ("import time", "time"),
        ("import asyncio.events as loop", "asyncio.events"),
        ("from os import urandom", "os.urandom"),
        ("from pathlib import Path", "pathlib.Path"),
        ("def late():\n    import socket", "socket"),
        ("from datetime import datetime\nstamp = datetime.now", "datetime.datetime.now"),
        ("import datetime as dt\ndt.datetime.utcnow()", "datetime.datetime.utcnow"),
        ("import datetime\nday = datetime.date.today()", "datetime.date.today"),
        ("text = open('state').read()", "open"),
        ("import dns.query", "dns.query"),
        ("from dns import resolver", "dns.resolver"),
        ("from xml.etree import ElementTree", "xml.etree.ElementTree"),
        ("import dns.message\ndns.query.udp(query, '192.0.2.1')", "dns.query"),
        (
            "import dns.message\ndns.message.make_query('example.org.', 'A')",
            "dns.message.make_query without id=",
        ),
        ("from dns.dnssec import validate as v\nv(rrset, rrsig, keys)", "dns.dnssec.validate without now="),
        *((f"import {name}", name) for name in "random secrets uuid select threading subprocess ssl".split()),
        *((f"import {name}", name) for name in "io os sqlite3 logging tempfile requests".split()),
    ],
)
def test_an_impure_line_is_caught(snippet: str, what: str) -> None:
    assert [finding.split(": ")[1] for finding in impurities(snippet)] == [what]


@pytest.mark.parametrize(
    "snippet",
    [
        "from datetime import UTC, datetime\nshown = datetime.fromtimestamp(0, UTC).isoformat()",
        "from standfast.ports import Clock\ndef due(clock: Clock) -> bool: return clock.now() > 5",
        "import dns.message\nquery = dns.message.make_query('example.org.', 'A', id=7)",
        "from . import model\nimport json, hashlib\nopened = json.dumps({'open': 1})",
        "class Exchange:\n    open: int = 0\n    def more(self) -> int: return self.open + 1",
    ],
)
def test_a_pure_line_is_left_alone(snippet: str) -> None:
    assert list(impurities(snippet)) == []


def impurities(source: str) -> Iterator[str]:
    """Yield `LINE: NAME` for everything in a module's source that a pure core may not import or use.

    Names are followed through imports and their aliases; what is reached through a value is not seen.
    """
    tree = ast.parse(source)
    imported: dict[str, str] = {}  # the name in this module -> what it stands for
    for line, local, name in imports(tree):
        imported[local] = name
        if not is_pure(name):
            yield f"{line}: {name}"
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load(), lineno=line) if name in IMPURE_BUILTINS:
                yield f"{line}: {name}"
            case ast.Attribute(lineno=line) if (name := dotted(node, imported)) in IMPURE:
                yield f"{line}: {name}"
            case ast.Call(func=func, keywords=given, lineno=line):
                needed = IMPURE_WITHOUT.get(name := dotted(func, imported))
                if needed and needed not in {keyword.arg for keyword in given}:
                    yield f"{line}: {name} without {needed}="
            case _:
                pass


def imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the name in this module and the full name of everything that a module imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names, lineno=line):
                for alias in names:
                    yield line, alias.asname or alias.name, alias.name
            case ast.ImportFrom(module=str(module), names=names, level=0, lineno=line):
                for alias in names:
                    yield line, alias.asname or alias.name, f"{module}.{alias.name}"
            case _:
                pass


def is_pure(name: str) -> bool:
    return name.partition(".")[0] in PURE and not any(f"{name}.".startswith(f"{corner}.") for corner in IMPURE)


def dotted(node: ast.expr, imported: dict[str, str]) -> str:
    """Return what `a.b.c` stands for, with `a` followed to its import; empty where it is no plain name."""
    match node:
        case ast.Name(id=name):
            return imported.get(name, name)
        case ast.Attribute(value=value, attr=attr):
            base = dotted(value, imported)
            return base and f"{base}.{attr}"
        case _:
            return ""


# What is locked, and what every test may lean on.


def test_the_lock_names_nothing_but_pypi() -> None:
    locked = tomllib.loads((CHECKOUT / "uv.lock").read_text())["package"]
    sources = {tuple(package["source"].items()) for package in locked}
    assert sources == {(("registry", "https://pypi.org/simple"),), (("editable", "."),)}
    wheels = [wheel for package in locked for wheel in package.get("wheels", [])]
    archives = [package["sdist"] for package in locked if "sdist" in package]
    assert {file["url"].split("/")[2] for file in wheels + archives} == {"files.pythonhosted.org"}


def test_a_free_port_serves_udp_and_tcp_and_is_given_once(free_port: Callable[[], int]) -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == len(ports)
    with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket(type=socket.SOCK_STREAM) as tcp:
        udp.bind(("127.0.0.1", ports[0]))
        tcp.bind(("127.0.0.1", ports[0]))
        assert ports[0] not in [free_port() for _ in range(20)]


def test_a_pair_of_sockets_has_one_port_that_serves_udp_and_tcp() -> None:
    udp, tcp = bound_pair()
    with udp, tcp, socket.create_connection(udp.getsockname()):
        assert udp.getsockname() == tcp.getsockname()


def test_a_pair_of_sockets_is_tried_for_again_where_tcp_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    half, taken = bound_pair()
    given = iter([half])
    monkeypatch.setattr("bound_sockets.bound_udp", lambda host: next(given, None) or bound_udp(host))
    udp, tcp = bound_pair()
    with taken, udp, tcp:
        assert udp.getsockname() == tcp.getsockname() != taken.getsockname()
