"""Small zones made to be hard: wildcards, empty non-terminals, aliases, DNAMEs and cuts on top of each other.

Every zone is drawn record by record out of a handful of labels, so that names meet; what our own checks refuse is drawn
anew. A seed gives the same zones each time.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Final

from standfast.authority.checks import judge
from standfast.authority.zone import Zone, draft_of
from standfast.dns.masterfile import MasterFile, MasterFileError
from standfast.dns.model import Name, Question, RRType
from standfast.dns.name import ancestors, is_below, name_from_wire

LABELS: Final = ("a", "b", "C", "*")
DEPTH_MAX: Final = 3  # labels below the origin
DRAWS: Final = 16  # for each zone; about two in three are taken
TYPES: Final = (RRType.A, RRType.NS, RRType.CNAME, RRType.TXT, RRType.MX, RRType.DS, RRType.DNAME)
QNAME_MAX: Final = 250  # letters; prefixes make some names longer than names can be
HEAD: Final = "$TTL 3600\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n"
DS: Final = "4711 13 2 " + "ab" * 32


def hard_zones(count: int, seed: str) -> dict[Name, str]:
    """Return the texts of `count` zones by their origins; some lead into the next one, and to names of nobody."""
    origins = [f"z{number}.test." for number in range(count)]
    random = Random(seed)
    return {
        origin: _zone(random, origin, elsewhere=origins[(number + 1) % count]) for number, origin in enumerate(origins)
    }


def questions(zone: Zone, zones: Mapping[Name, Zone]) -> Iterator[Question]:
    """Yield what can be asked about the names of `zone`, those that its aliases make, and names around them."""
    names = set(zone.nodes)
    names |= {f"{label}.{name}" for name in zone.nodes for label in ("a", "x", "*", "x.b")}
    for owner in zone.dnames:
        target = name_from_wire(zone.nodes[owner][RRType.DNAME].rdatas[0])
        at = next((zones[above] for above in ancestors(target) if above in zones), None)
        for name in at.nodes if at is not None else ():
            if is_below(name, target) and name != target:
                names.add(name.removesuffix(target) + owner)
    for name in sorted(name for name in names if len(name) <= QNAME_MAX):
        yield from (Question(name, rtype) for rtype in TYPES)


def _zone(random: Random, origin: Name, *, elsewhere: Name) -> str:
    text = HEAD
    for _ in range(DRAWS):
        more = text + _drawn(random, elsewhere)
        if _is_fine(more, origin):
            text = more
    return text


def _drawn(random: Random, elsewhere: Name) -> str:
    """Return a record, with what it needs beside it."""
    owner, other = _name(random), _name(random)
    target = random.choice([other, other, other, other, "@", f"{other}.{elsewhere}", elsewhere, "away.invalid."])
    host = random.randrange(2, 250)
    match random.choice(("A", "A", "AAAA", "TXT", "CNAME", "CNAME", "DNAME", "MX", "NS", "NS", "NS", "DS")):
        case "A":
            return f"{owner} A 192.0.2.{host}\n"
        case "AAAA":
            return f"{owner} AAAA 2001:db8::{host}\n"
        case "TXT":
            return f'{owner} TXT "{host}"\n'
        case "CNAME":
            return f"{owner} CNAME {target}\n"
        case "DNAME":
            return f"{random.choice([owner, owner, owner, '@'])} DNAME {target}\n"
        case "MX":
            return f"{owner} MX {host} {target}\n"
        case "DS":
            return f"{owner} NS {target}\n{owner} DS {DS}\n"
        case _:
            glue = f"{random.choice(['ns', 'a', 'ns.b'])}.{owner}"
            return random.choice(
                [
                    f"{owner} NS {target}\n",
                    f"{owner} NS {glue}\n{glue} A 192.0.2.{host}\n",
                    f"{owner} NS {glue}\n{glue} AAAA 2001:db8::{host}\n",
                    f"{owner} NS {glue}\n{other} NS {glue}\n{glue} A 192.0.2.{host}\n",  # a sibling's
                ]
            )


def _name(random: Random) -> str:
    return ".".join(random.choices(LABELS, k=random.randint(1, DEPTH_MAX)))


def _is_fine(text: str, origin: Name) -> bool:
    def include(name: str, file: str) -> tuple[str, str]:
        raise MasterFileError(f"{file} includes {name}")

    master = MasterFile(text, file="z", origin=origin, include=include)
    faults, _ = judge(draft_of(master, origin=origin, file="z"))
    return not faults and not master.faults


def write(folder: Path, texts: dict[Name, str]) -> dict[Name, Path]:
    """Write each zone into a file of `folder`."""
    files = {origin: folder / f"{origin}zone" for origin in texts}
    for origin, text in texts.items():
        files[origin].write_text(f"$ORIGIN {origin}\n{text}")
    return files
