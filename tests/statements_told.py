"""What readers may tell, at random: of few things, so that they speak of the same ones and differ."""

from hypothesis import strategies as st

from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import Kind, Need
from standfast.depmap.statements import (
    Claims,
    Fails,
    Is,
    IsGone,
    Loss,
    Needs,
    Remark,
    Shares,
    Statement,
    Told,
    Witness,
)

HAND = Witness(reader="handwritten", where="map.yaml", line=3)
STATE = Witness(reader="terraform", where="main.tfstate")
TRACE = Witness(reader="otlp", where="traces.json")
NAMES = ("a", "b", "c", "www.example.com", "192.0.2.1", "zone:example.com")
CAUSES = ("region:aws/us-east-1", "region:aws/us-west-2", "dns:aws", "c")  # one of them may be a node as well


@st.composite
def needs(draw: st.DrawFn) -> Need:
    parts = tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)))
    number, soft = draw(st.integers(1, len(parts))), draw(st.booleans())
    return Need(parts=parts, number=number, soft=soft, role=draw(st.sampled_from(("", "address", "alias"))))


def statements() -> st.SearchStrategy[Statement]:
    names, shares = st.sampled_from(NAMES), st.sampled_from((0.0, 0.001, 0.5))
    events = st.builds(Event, unavailability=shares, source=st.sampled_from(Source))
    return st.one_of(
        st.builds(Is, names, st.sampled_from(Kind)),
        st.builds(Needs, names, needs()),
        st.builds(Shares, names, st.sampled_from(CAUSES)),
        st.builds(Fails, st.sampled_from(NAMES + CAUSES), events),
        st.builds(IsGone, names, st.sampled_from(Loss)),
        st.builds(Claims, names, shares),
    )


TELLINGS = st.lists(st.builds(Told, statements(), st.sampled_from((HAND, STATE, TRACE))), max_size=12)
REMARKS = st.lists(st.builds(Remark, text=st.sampled_from("xy"), by=st.sampled_from((HAND, STATE))), max_size=3)
