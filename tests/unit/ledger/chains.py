"""What the ledger's tests share: values of its kind, and chains of records."""

from hypothesis import strategies as st

from standfast.ledger.record import GENESIS, INTEGER_MAX, Head, JsonValue, Record, chain, encode_line

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
BODIES: st.SearchStrategy[dict[str, JsonValue]] = st.dictionaries(TEXTS, VALUES, max_size=4)


def same(one: JsonValue, other: JsonValue) -> bool:
    """Tell whether two values are the same to the ledger; Python takes `True` for 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def ledger(count: int) -> list[bytes]:
    """Return the lines of a chain of `count` records, a second apart."""
    return [encode_line(record) for record in records(count)]


def records(count: int) -> list[Record]:
    made: list[Record] = []
    for number in range(1, count + 1):
        made.append(
            chain(
                head_of(made[-1]) if made else GENESIS,
                at_ms=1_761_000_000_000 + number * 1_000,
                kind="verdict",
                body={"qname": f"n{number}.example.org.", "reason": "identity proven at 2 of 2 addresses"},
            )
        )
    return made


def head_of(record: Record) -> Head:
    return Head(seq=record.seq, hash=record.hash)
