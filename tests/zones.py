"""Zones for tests: made of text, judged as the files of users are."""

from hypothesis import strategies as st

from standfast.authority.checks import Promise, judge
from standfast.authority.zone import Draft, Zone, draft_of
from standfast.dns.masterfile import MasterFile, MasterFileError

HEAD = "@ 3600 SOA ns hostmaster 1 3600 600 86400 300\n@ 3600 NS ns\nns 3600 A 192.0.2.1\n"


def draft(text: str, *, origin: str = "example.org.") -> Draft:
    """Return the draft of a zone; `text` has no faults of its own."""

    def include(name: str, file: str) -> tuple[str, str]:
        raise MasterFileError(f"{file} includes {name}")

    master = MasterFile(text, file="z", origin=origin, include=include)
    made = draft_of(master, origin=origin, file="z")
    assert not master.faults, master.faults
    return made


def zone(text: str, *, origin: str = "example.org.") -> Zone:
    """Return a zone that may be served; `text` stands below an SOA, an NS and its address."""
    made = draft("$TTL 3600\n" + HEAD + text, origin=origin)
    faults, _ = judge(made)
    assert not faults, faults
    return made.zone()


def faults_of(
    text: str, *promises: Promise, origin: str = "example.org.", before: Zone | None = None, now: float | None = None
) -> tuple[list[str], list[str]]:
    """Return the faults and the warnings of a zone whose `text` begins on line 5."""
    made = draft("$TTL 3600\n" + HEAD + text, origin=origin)
    faults, warnings = judge(made, promises, before=before, now=now)
    return [str(fault) for fault in faults], [str(fault) for fault in warnings]


_NAMES = ["@", "a", "b", "a.b", "b.a", "*.b", "a.a.b", "*", "c", "d", "*.d.b", "ns"]
_TARGETS = ["a", "b", "a.b", "b.a", "x.b", "c", "d", "ns", "y.a.a.b", "far.example.net."]
_DATA = st.one_of(
    st.sampled_from(["A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1", 'TXT "x"', 'TXT "y"', "DS 1 13 2 " + "ab" * 32]),
    st.tuples(st.sampled_from(["NS", "NS", "CNAME", "CNAME", "DNAME", "MX 1"]), st.sampled_from(_TARGETS)).map(
        " ".join
    ),
)

RECORDS = st.builds("{} {} {}\n".format, st.sampled_from(_NAMES), st.sampled_from([60, 300]), _DATA)
"""Lines of records that are near each other, and often at odds."""


def unfit(lines: list[str]) -> Zone:
    """Return a zone that nobody judged."""
    return draft("$TTL 3600\n" + HEAD + "".join(lines)).zone()


_CHAINED = st.sampled_from(["@", "a", "a.b", "*.b", "x.y.z"]).flatmap(
    lambda owner: st.sampled_from(["A NSEC", "TXT NSEC"]).map(f"{owner} NSEC ns {{}}\n".format)
)
_HASHED = st.integers(0, 6).map(
    lambda number: "{}{} NSEC3 1 0 {} - {} A\n".format(number, "0" * 31, number % 2, "1" * 32)
)
UNFIT_LINES = st.builds(
    lambda head, lines: [*head, *lines],
    st.sampled_from([[], ["@ NSEC a A NSEC\n"], ["@ NSEC3PARAM 1 0 0 -\n"], ["@ NSEC3PARAM 1 0 1 -\n"]]),
    st.lists(st.one_of(RECORDS, RECORDS, _CHAINED, _HASHED), max_size=16),
)
UNFIT = UNFIT_LINES.map(unfit)
"""Zones that nobody judged, some with chains that prove denials, none of them whole."""
