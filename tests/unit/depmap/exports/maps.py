"""Maps to export: one in which every case is, and random ones."""

from hypothesis import strategies as st

from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import Kind, Need, all_of, any_of
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.statements import (
    Claims,
    Fails,
    Is,
    IsGone,
    Loss,
    Needs,
    Reading,
    Shares,
    Statement,
    Told,
    Witness,
)

BY = Witness(reader="handwritten", where="map.yaml", line=7)
NASTY = '</script><script>alert("1")</script>\\'
REGION = "region:aws/us-east-1"


def map_that_says(*statements: Statement) -> DependencyMap:
    return merge([Reading(told=tuple(Told(each, BY) for each in statements))])


def shop() -> DependencyMap:
    """Return a shop with hard and soft needs, some of many, a cause, a circle, a gone name and a nasty one."""
    return map_that_says(
        Needs("shop", all_of("checkout")),
        Needs("shop", all_of("advice", soft=True)),
        Needs("checkout", any_of("cache-1", "cache-2")),
        Needs("checkout", all_of("www.example.com")),
        Needs("advice", all_of("table")),
        Needs("www.example.com", any_of("192.0.2.1", "192.0.2.2", role="address")),
        Shares("cache-1", REGION),
        Shares("cache-2", "region:aws/eu-west-1"),
        Shares("table", REGION),
        Is("table", Kind.RESOURCE),
        Needs("chicken", all_of("egg")),
        Needs("egg", all_of("chicken")),
        Needs("old-shop", all_of("old.example.com")),
        IsGone("old.example.com", Loss.EMPTIED),
        Is(NASTY, Kind.SERVICE),
        Fails("table", Event(unavailability=0.001, source=Source.MEASURED)),
        Fails(REGION, Event(unavailability=0.0001, source=Source.CLAIMED)),
        Claims("shop", 0.999),
    )


@st.composite
def random_maps(draw: st.DrawFn) -> DependencyMap:
    """Draw maps of up to ten nodes and four causes, with needs of all kinds and circles."""
    nodes = [f"n{at}" for at in range(draw(st.integers(1, 10)))]
    told: list[Statement] = [Is(name, Kind.SERVICE) for name in nodes]
    for name in nodes:
        for parts in draw(st.lists(st.lists(st.sampled_from(nodes), min_size=1, max_size=4, unique=True), max_size=3)):
            number = draw(st.integers(1, len(parts)))
            told.append(Needs(name, Need(parts=tuple(parts), number=number, soft=draw(st.booleans()))))
        told += [Shares(name, cause) for cause in draw(st.sets(st.sampled_from(["c0", "c1", "c2", "c3"]), max_size=2))]
    return map_that_says(*told)
