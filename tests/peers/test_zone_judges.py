"""`standfast zone check` beside named-checkzone and kzonecheck: what one of them refuses ours does, and some more.

Why it is stricter stands in docs/authority.md.
"""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from peers.authorities import sign
from peers.servers import program
from standfast.io.authority.zone_files import ZoneFileError, read_zone

pytestmark = pytest.mark.peers

TIMEOUT_S = 30
SOA: Final = "@ SOA ns hostmaster 1 3600 600 86400 300\n"
TOP: Final = f"$ORIGIN example.org.\n$TTL 3600\n{SOA}"
HEAD: Final = f"{TOP}@ NS ns\nns A 192.0.2.1\n"
DS: Final = "4711 13 2 " + "ab" * 32
CHAIN: Final = "".join(f"c{i} CNAME c{i + 1}\n" for i in range(20)) + "c20 A 192.0.2.1\n"

# What all three take. What ours warns of stands in tests/unit/authority/test_checks.py.
FINE: Final = {
    "all kinds": HEAD + "www A 192.0.2.2\n*.w A 192.0.2.3\ncut NS ns.cut\nns.cut A 192.0.2.4\n@ MX 1 www\n",
    "a name server that a wildcard has an address for": HEAD + "@ NS ns2.w\n*.w A 192.0.2.1\n",
    "glue of a sibling": HEAD + "cut NS ns.other\nns.other A 192.0.2.4\nother NS ns.other\n",
    "a DNAME at a wildcard": HEAD + "*.w DNAME a.\n",
    "an asterisk within": HEAD + "a.*.b A 192.0.2.1\n",
    "a CNAME to what is not there": HEAD + "a CNAME b\n",
    "mail to a CNAME": HEAD + "@ MX 1 b\nb CNAME ns\n",
    "mail to an address": HEAD + "@ MX 1 192.0.2.1.\n",
    "TTLs that differ": HEAD + "w 60 A 192.0.2.1\nw 70 A 192.0.2.2\n",
    "a record twice": HEAD + "w A 192.0.2.1\nw A 192.0.2.1\n",
    "an underscore in the name of a host": HEAD + "a_b A 192.0.2.1\n",
    "the TTL of the record above": HEAD.replace("$TTL 3600\n@ ", "@ 60 "),
    "a type by its number": HEAD + "u TYPE65280 \\# 1 00\n",
}

# What ours refuses, and who else does: b is named-checkzone, k is kzonecheck.
FAULTY: Final = {
    "no SOA": ("bk", HEAD.replace(SOA, "")),
    "no NS": ("bk", f"{TOP}ns A 192.0.2.1\n"),
    "two SOAs": ("b", HEAD + SOA.replace(" 1 ", " 2 ")),
    "an SOA below": ("b", HEAD + "sub" + SOA[1:]),
    "a CNAME and an address": ("bk", HEAD + "www CNAME ns\nwww A 192.0.2.2\n"),
    "two CNAMEs": ("bk", HEAD + "www CNAME ns\nwww CNAME ns2\nns2 A 192.0.2.1\n"),
    "a CNAME at the top": ("bk", HEAD + "@ CNAME example.net.\n"),
    "a CNAME and a DNAME": ("bk", HEAD + "d DNAME a.\nd CNAME b.\n"),
    "two DNAMEs": ("bk", HEAD + "d DNAME a.\nd DNAME b.\n"),
    "a record below a DNAME": ("k", HEAD + "d DNAME a.\nx.d A 192.0.2.1\n"),
    "a record outside": ("", HEAD + "www.example.net. A 192.0.2.1\n"),
    "no glue": ("k", HEAD + "cut NS ns.cut\n"),
    "a name server without an address": ("bk", HEAD + "@ NS ns2\n"),
    "a name server with a CNAME": ("bk", HEAD + "@ NS ns2\nns2 CNAME ns\n"),
    "an address below a cut that is no glue": ("", HEAD + "cut NS ns\nwww.cut A 192.0.2.1\n"),
    "a text at a cut": ("", HEAD + "cut NS ns\ncut TXT x\n"),
    "a name server at a wildcard": ("b", HEAD + "*.w NS ns\n"),
    "a DS without a cut": ("", HEAD + f"www A 192.0.2.1\nwww DS {DS}\n"),
    "a DS at the top": ("b", HEAD + f"@ DS {DS}\n"),
    "a loop": ("", HEAD + "a CNAME b\nb CNAME a\n"),
    "a loop through a wildcard": ("", HEAD + "*.w CNAME a.w\n"),
    "a chain of 20": ("", HEAD + CHAIN),
    "a TTL of 32 bits": ("", HEAD + "w 2147483648 A 192.0.2.1\n"),
    "a service of no address with parameters": ("", HEAD + "s SVCB 0 ns alpn=h2\n"),
    "no address": ("bk", HEAD + "w A 192.0.2.300\n"),
    "no type": ("bk", HEAD + "w BLAH x\n"),
    "a type that is no record": ("bk", HEAD + "u AXFR x\n"),
    "data of another length": ("bk", HEAD + "u TYPE65280 \\# 2 00\n"),
    "another class": ("bk", HEAD + "w CH A 192.0.2.1\n"),
    "a label of 64": ("bk", HEAD + "a" * 64 + " A 192.0.2.1\n"),
    "a name of 300": ("bk", HEAD + ".".join(["a" * 60] * 5) + " A 192.0.2.1\n"),
    "a string of 256": ("b", HEAD + f'w TXT "{"a" * 256}"\n'),
    "a quote that is open": ("bk", HEAD + 'w TXT "a\n'),
    "a parenthesis that is open": ("bk", HEAD + "w TXT (a\n"),
    "a file that is not there": ("bk", HEAD + "$INCLUDE nowhere\n"),
    "a serial of 33 bits": ("bk", HEAD.replace(" 1 ", " 4294967296 ")),
    "nothing": ("bk", ""),
}


def ours(file: Path) -> bool:
    try:
        read_zone(file)
    except ZoneFileError:
        return False
    return True


def said_fine(*argv: str | Path) -> bool:
    return subprocess.run(argv, capture_output=True, check=False, timeout=TIMEOUT_S).returncode == 0


@pytest.fixture
def judges(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that says who refuses a text as the zone example.org: o, b and k."""
    bind, knot = program("named-checkzone"), program("kzonecheck")
    file = tmp_path / "example.org.zone"

    def refusing(text: str) -> str:
        file.write_text(text)
        fine = {
            "o": ours(file),
            "b": said_fine(bind, "example.org", file),
            "k": said_fine(knot, "-o", "example.org", file),
        }
        return "".join(judge for judge, is_fine in fine.items() if not is_fine)

    return refusing


def test_what_is_fine_for_the_others_is_fine_for_ours(judges: Callable[[str], str]) -> None:
    assert {name: judges(text) for name, text in FINE.items()} == dict.fromkeys(FINE, "")


def test_what_the_others_refuse_ours_refuses_and_what_it_refuses_alone_is_known(judges: Callable[[str], str]) -> None:
    found = {name: judges(text) for name, (_, text) in FAULTY.items()}
    assert found == {name: f"o{others}" for name, (others, _) in FAULTY.items()}


def test_signed_zones_are_fine_until_their_signatures_end(tmp_path: Path) -> None:
    source = tmp_path / "example.org.zone"
    source.write_text(FINE["all kinds"])
    verify, knot = program("ldns-verify-zone"), program("kzonecheck")
    for nsec3 in (False, True):
        folder = tmp_path / str(nsec3)
        folder.mkdir()
        (signed,) = sign(folder, {"example.org.": source}, nsec3=nsec3, opt_out=False).values()
        assert said_fine(verify, signed)
        assert said_fine(knot, "-o", "example.org", signed)
        assert not [each for each in read_zone(signed, now=time.time()).warnings if "signature" in each.text]
        signed.write_text(re.sub(r"\b20\d{12} (20\d{12})\b", r"20200102000000 20200101000000", signed.read_text()))
        assert not said_fine(verify, signed)
        (warning,) = [each for each in read_zone(signed, now=time.time()).warnings if "signature" in each.text]
        assert "ended at 2020-01-02 00:00 UTC" in warning.text
