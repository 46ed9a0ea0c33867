"""Maps by their statements, and random ones."""

from hypothesis import strategies as st

from standfast.depmap.faults.model import Event
from standfast.depmap.graph import Kind, Need
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.statements import Fails, Is, Needs, Reading, Shares, Statement, Told, Witness
from truth_tables import PROBABILITIES

BY = Witness(reader="test", where="here")


def map_of(*statements: Statement) -> DependencyMap:
    """Return the map of `statements`."""
    return merge([Reading(told=tuple(Told(each, BY) for each in statements))])


@st.composite
def maps(draw: st.DrawFn, events_max: int = 20) -> DependencyMap:
    """Return a random map of up to so many basic events, mostly with circles."""
    number = draw(st.integers(1, events_max - 3))
    names = [f"n{each}" for each in range(number)]
    causes = [f"c{each}" for each in range(draw(st.integers(0, 3)))]
    told: list[Statement] = []
    for name in names:
        told.append(Is(name, Kind.SERVICE))
        for _ in range(draw(st.integers(0, 3))):
            parts = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)))
            number = draw(st.integers(1, len(parts)))
            told.append(Needs(name, Need(parts=parts, number=number, soft=draw(st.integers(0, 5)) == 0)))
        told += [Shares(name, cause) for cause in causes if draw(st.integers(0, 3)) == 0]
    for name in (*names, *causes):
        told.append(Fails(name, Event(unavailability=draw(st.sampled_from(PROBABILITIES)))))
    return map_of(*told)
