"""Key rolls before a validator that may have cached anything that was ever served, through crashes and slow parents.

The validator is every validator at once: of all that was served, whatever can be in a cache at the same time must go
together. A roll that is too fast in any one respect is caught.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.authority import keyroll
from standfast.authority.keyroll import KeyRing, Timing, begin, decide, ds_seen, first, served
from standfast.authority.keys import Role

STEP_S = 600.0
END_S = 400 * STEP_S


@dataclass(frozen=True)
class Truth:
    """How things are; what the machine is told of them is a matter of its own."""

    ttl_s: int
    dnskey_ttl_s: int
    ds_ttl_s: int
    propagation_s: float
    parent_propagation_s: float
    parent_takes_s: float  # until a CDS becomes a DS
    split: bool
    crashes: float  # of all steps
    batch: int  # signatures made anew in one step


@dataclass
class Served:
    """What was served, and from when to when; by the type of thing, versions in their order."""

    versions: list[tuple[float, frozenset[int]]] = field(default_factory=list)

    def serve(self, now: float, what: frozenset[int]) -> None:
        if not self.versions or self.versions[-1][1] != what:
            self.versions.append((now, what))

    def cached(self, lingers_s: float) -> list[tuple[float, float, frozenset[int]]]:
        """Return from when to when each version may be in a cache."""
        ends = [start + lingers_s for start, _ in self.versions[1:]] + [float("inf")]
        return [(start, end, what) for (start, what), end in zip(self.versions, ends, strict=True)]


Rings = Callable[[KeyRing], KeyRing]


class World:
    """A zone, its parent and its key machine, step by step."""

    def __init__(self, truth: Truth, seed: int, told: Timing, meddle: Rings = lambda ring: ring) -> None:
        self.truth = truth
        self.told = told
        self.meddle = meddle
        self.rng = random.Random(seed)
        self.data = [Served() for _ in range(4)]
        self.keys = Served()
        self.parent = Served()
        roles: dict[int, Role] = {1: "ksk", 2: "zsk"} if truth.split else {1: "csk"}
        for each in (*self.data, self.keys, self.parent):
            each.serve(0.0, frozenset())
        self.disk = first(roles)
        self.next_id = 3
        self.cds: list[tuple[float, frozenset[int]]] = []
        self.signed_by: list[int | None] = [None] * 4
        self.told_ttl_s, self.told_dnskey_ttl_s = truth.ttl_s, truth.dnskey_ttl_s

    def run(self, rolls: dict[int, Role]) -> None:
        for step in range(1, int(END_S / STEP_S)):
            now = step * STEP_S
            self.follow_parent(now)
            if step in rolls:
                try:
                    self.disk = begin(self.disk, self.next_id, rolls[step])
                    self.next_id += 1
                except keyroll.RollError:
                    pass
            self.step(now)

    def follow_parent(self, now: float) -> None:
        due = [what for at, what in self.cds if now >= at + self.truth.parent_takes_s]
        if due and due[-1]:
            self.parent.serve(now, due[-1])
        self.disk = ds_seen(self.disk, self.parent.versions[-1][1], now)

    def step(self, now: float) -> None:
        """One round as the service makes it: decide, keep, publish, note, keep; a crash may come in between."""
        ring = self.disk.with_ttls(self.told_ttl_s, self.told_dnskey_ttl_s)
        ring = self.meddle(decide(ring, self.told, now))
        if self.crashes():
            return
        self.disk = ring
        if self.crashes():
            return
        self.publish(ring, now)
        if self.crashes():
            return
        self.disk = served(ring, self.keys.versions[-1][1], {by for by in self.signed_by if by is not None}, now)

    def crashes(self) -> bool:
        return self.rng.random() < self.truth.crashes

    def publish(self, ring: KeyRing, now: float) -> None:
        published = frozenset(key.id for key in ring.keys)
        signs = next(key.id for key in ring.keys if key.signs)
        unsigned = None in self.signed_by
        wrong = [at for at, by in enumerate(self.signed_by) if by != signs]
        for at in wrong if unsigned else wrong[: self.truth.batch]:
            self.signed_by[at] = signs
        for of, by in zip(self.data, self.signed_by, strict=True):
            of.serve(now, frozenset() if by is None else frozenset({by}))
        self.keys.serve(now, published)
        offered = frozenset(key.id for key in ring.keys if key.offered)
        if not self.cds or self.cds[-1][1] != offered:
            self.cds.append((now, offered))

    def bogus(self) -> list[str]:
        """Return every combination that can be in a cache at one time, and does not go together."""
        truth = self.truth
        parents = self.parent.cached(truth.parent_propagation_s + truth.ds_ttl_s)
        key_sets = self.keys.cached(truth.propagation_s + truth.dnskey_ttl_s)
        found = []
        for data in self.data:
            signatures = data.cached(truth.propagation_s + truth.ttl_s)
            for (p0, p1, ds), (k0, k1, keys), (d0, d1, by) in product(parents, key_sets, signatures):
                if max(p0, k0, d0) < min(p1, k1, d1) and ds and not (ds & keys and by & keys):
                    found.append(f"from {max(p0, k0, d0)}: DS {set(ds)}, keys {set(keys)}, signed by {set(by)}")
        return found


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    ttls = st.sampled_from([0, 60, 3_600, 20_000])
    return Truth(
        ttl_s=draw(ttls),
        dnskey_ttl_s=draw(ttls),
        ds_ttl_s=draw(ttls),
        propagation_s=draw(st.sampled_from([0.0, 700.0, 5_000.0])),
        parent_propagation_s=draw(st.sampled_from([0.0, 700.0, 5_000.0])),
        parent_takes_s=draw(st.sampled_from([0.0, 3_000.0, 30_000.0])),
        split=draw(st.booleans()),
        crashes=draw(st.sampled_from([0.0, 0.2, 0.5])),
        batch=draw(st.integers(1, 4)),
    )


def world(truth: Truth, seed: int = 1, meddle: Rings = lambda ring: ring) -> World:
    told = Timing(
        propagation_s=truth.propagation_s,
        parent_propagation_s=truth.parent_propagation_s,
        ds_ttl_s=truth.ds_ttl_s,
    )
    return World(truth, seed, told, meddle)


@settings(deadline=None)
@given(
    truths(),
    st.integers(0, 1_000_000),
    st.dictionaries(st.integers(1, 250), st.sampled_from(["csk", "ksk", "zsk"]), max_size=6),
)
def test_whatever_is_cached_goes_together_through_every_roll(truth: Truth, seed: int, rolls: dict[int, Role]) -> None:
    made = world(truth, seed)
    made.run(rolls)
    assert made.bogus() == []


ORDINARY = Truth(
    ttl_s=3_600,
    dnskey_ttl_s=3_600,
    ds_ttl_s=20_000,
    propagation_s=700.0,
    parent_propagation_s=700.0,
    parent_takes_s=3_000.0,
    split=False,
    crashes=0.0,
    batch=2,
)


@pytest.mark.parametrize("split", [False, True])
def test_a_roll_ends_with_the_new_keys_alone(split: bool) -> None:
    made = world(replace(ORDINARY, split=split))
    made.run({40: "zsk", 41: "ksk"} if split else {40: "csk"})
    assert {key.id for key in made.disk.keys} == ({3, 4} if split else {3})
    assert made.parent.versions[-1][1] == ({4} if split else {3})
    assert len(made.parent.versions) == 3  # none, the first, the new one
    assert all(by == 3 for by in made.signed_by)
    assert made.bogus() == []


def _newest_alone(ring: KeyRing) -> KeyRing:
    return replace(ring, keys=(replace(ring.keys[-1], signs=True, offered=True),))


def _as_if_seen(ring: KeyRing) -> KeyRing:
    return ds_seen(ring, {key.id for key in ring.keys}, 0.0)


def _offer_newest(ring: KeyRing) -> KeyRing:
    return replace(ring, keys=tuple(replace(key, offered=key == ring.keys[-1]) for key in ring.keys))


def _sign_with_newest(ring: KeyRing) -> KeyRing:
    return replace(ring, keys=tuple(replace(key, signs=key == ring.keys[-1]) for key in ring.keys))


FAST_PARENT = replace(ORDINARY, ds_ttl_s=0, parent_takes_s=0.0, parent_propagation_s=0.0)
SABOTAGE: dict[str, tuple[Truth, dict[str, object]]] = {
    "the old key goes at once": (ORDINARY, {"meddle": _newest_alone}),
    "no wait for the keys to spread": (ORDINARY, {"told_dnskey_ttl_s": 0}),
    "no wait for signatures to be forgotten": (FAST_PARENT, {"told_ttl_s": 0, "told_dnskey_ttl_s": 0}),
    "no wait for the secondaries": (ORDINARY, {"told": Timing(propagation_s=0.0, ds_ttl_s=20_000)}),
    "no wait for the caches of the parent's DS": (ORDINARY, {"told": Timing(propagation_s=700.0, ds_ttl_s=0)}),
    "no wait for the parent's secondaries": (
        ORDINARY,
        {"told": Timing(propagation_s=700.0, parent_propagation_s=0.0, ds_ttl_s=20_000)},
    ),
    "a DS is taken for seen": (ORDINARY, {"meddle": _as_if_seen}),
    "the parent is told at once": (ORDINARY, {"meddle": _offer_newest}),
    "data are signed with a key that nobody knows": (ORDINARY, {"meddle": _sign_with_newest}),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_roll_that_is_too_fast_is_caught(name: str) -> None:
    truth, sabotage = SABOTAGE[name]
    made = world(truth)
    for field_name, value in sabotage.items():
        setattr(made, field_name, value)
    made.run({60: "csk"})
    assert made.bogus()
