"""Policy by suffix: what may be held, how long, and how it is probed. Looks up only; decides nothing.

Settings are found key by key: the most specific suffix that sets a key wins, what it leaves out comes from the
next suffix up, and at last from `DEFAULTS`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from standfast.dns.model import Name
from standfast.dns.name import ROOT, ancestors, parent
from standfast.evidence.model import ProbeSpec


class Mode(StrEnum):
    """What the guard does with a lost name: `hold` it, only `observe` and record, or stay `off`."""

    HOLD = "hold"
    OBSERVE = "observe"
    OFF = "off"


class BogusMode(StrEnum):
    """What a client gets when validation fails upstream and a known-good answer is there."""

    HOLD = "hold"
    SERVFAIL = "servfail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The settings for one name. Times in seconds."""

    mode: Mode = Mode.HOLD
    grace_s: float = 900  # how long a lost name is kept when nothing can be proven either way
    hold_max_s: float = 86_400  # the longest hold, however good the proof
    stale_max_s: float = (
        259_200  # the oldest answer served while upstreams fail; RFC 8767 section 5 suggests 1 to 3 days
    )
    held_ttl_s: int = 30  # TTL of held answers; RFC 8767 section 4 recommends 30 seconds
    negative_ttl_max_s: int = 5  # cap on negative answers for a name that has a known-good one
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    pinned: bool = False
    addresses_min: int = 0  # of a pinned name: fewer addresses than this are a loss, not a drain
    steady_s: float = 604_800  # a name whose addresses stood this long is watched for wholesale changes
    # How long a new loss may wait for its evidence: eight silent addresses take two looks of two seconds each.
    provisional_s: float = 30
    ttl_min_s: int = 1  # answers with a smaller TTL are never remembered
    recheck_min_s: float = 30  # first pause before a held name is asked about again; RFC 8767 section 5
    recheck_max_s: float = 300
    bogus: BogusMode = BogusMode.HOLD


DEFAULTS = Policy()

NEVER_HELD: Mapping[Name, Mapping[str, Any]] = {
    # Names that change by design or belong to one machine or link; a policy of one's own for the suffix overrides.
    "cluster.local.": {"mode": Mode.OFF},
    "local.": {"mode": Mode.OFF},  # RFC 6762
    "in-addr.arpa.": {"mode": Mode.OFF},
    "ip6.arpa.": {"mode": Mode.OFF},
}

LOOKUPS_MAX = 16_384  # names whose policy is kept at hand; a cache miss asks for it again and again

_KEYS = frozenset(f.name for f in fields(Policy))


class PolicyTable:
    """All policies, by suffix."""

    def __init__(self, pairs: Iterable[tuple[Name, Mapping[str, Any]]] = (), *, base: Policy = DEFAULTS) -> None:
        """Build from `(suffix, settings)` pairs; a later pair for the same suffix adds to and overrides an earlier.

        Modes may be given as their text as well.

        Raises:
            KeyError: a setting that `Policy` does not have.
            ValueError: a mode that there is not.
        """
        self._base = base
        rules: dict[Name, dict[str, Any]] = {suffix: dict(keys) for suffix, keys in NEVER_HELD.items()}
        for suffix, keys in pairs:
            unknown = set(keys) - _KEYS
            if unknown:
                raise KeyError(f"unknown policy settings {sorted(unknown)} for {suffix}")
            rules.setdefault(suffix, {}).update({key: _CHOICES.get(key, _as_it_is)(keys[key]) for key in keys})
        self._by_suffix = {suffix: replace(base, **_merged(suffix, rules)) for suffix in rules}
        self._found: dict[Name, Policy] = {}

    def lookup(self, qname: Name) -> Policy:
        """Return the policy of `qname`."""
        policy = self._found.get(qname)
        if policy is None:
            if len(self._found) >= LOOKUPS_MAX:
                self._found.clear()
            policy = self._by_suffix.get(qname)
            if policy is None:  # then that of the name above, which its neighbours have probably asked for
                policy = self._base if qname == ROOT else self.lookup(parent(qname))
            self._found[qname] = policy
        return policy

    def suffixes(self) -> tuple[Name, ...]:
        """Return every suffix that has settings of its own."""
        return tuple(self._by_suffix)

    def observing(self) -> "PolicyTable":
        """Return the same policies for a guard that is turned off: what would be held is only observed."""
        table = PolicyTable(base=_observing(self._base))
        table._by_suffix = {suffix: _observing(policy) for suffix, policy in self._by_suffix.items()}
        return table


def _as_it_is(value: Any) -> Any:
    return value


# Settings that are compared by identity: a text in their place would be none of them.
_CHOICES: Mapping[str, Callable[[Any], Any]] = {"mode": Mode, "bogus": BogusMode}


def _merged(suffix: Name, rules: Mapping[Name, Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for above in ancestors(suffix):
        found = {**rules.get(above, {}), **found}
    return found


def _observing(policy: Policy) -> Policy:
    return replace(policy, mode=Mode.OBSERVE) if policy.mode is Mode.HOLD else policy
