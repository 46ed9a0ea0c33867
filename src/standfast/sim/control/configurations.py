"""The small worlds that are explored whole: each has its own troubles, and says what does not hold in it, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from standfast.dns.model import RRset, RRType
from standfast.sim.control.parts import ZONE, Hand, Records, Setting

ONE_RECORD: Final = 4  # records in a write that replaces one record: that one and the fence, each before and after
ONE_NAME: Final = 5  # the same for a name at which a CNAME takes the place of an address, or gives it back


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One world. `exceptions` are the invariants that what is done by hand there can break, and why nothing helps."""

    name: str
    what: str
    setting: Setting
    exceptions: Mapping[str, str] = field(default_factory=dict)
    quick: bool = True  # seconds


def address(owner: str, last: int) -> RRset:
    """Return the A record of `owner` in the zone with the address 192.0.2.`last`."""
    return RRset(owner=f"{owner}.{ZONE}", rtype=RRType.A, ttl_s=60, rdatas=(bytes((192, 0, 2, last)),))


def both(last: int) -> Records:
    """Return one address for both names: two writes where a write holds one record."""
    return frozenset({address("db", last), address("www", last)})


ALIAS: Final = RRset(owner=f"db.{ZONE}", rtype=RRType.CNAME, ttl_s=60, rdatas=(b"\x04lead\x07example\x03org\x00",))
MAIL: Final = RRset(owner=f"mail.{ZONE}", rtype=RRType.A, ttl_s=60, rdatas=(bytes((198, 51, 100, 7)),))
NOTE: Final = RRset(owner=f"db.{ZONE}", rtype=RRType.TXT, ttl_s=60, rdatas=(b"\x09not yours",))
STRANGERS: Final = frozenset({MAIL, NOTE})  # a name of somebody else's, and somebody else's type at a name of ours

ONE: Final = (both(1),)
TWO: Final = (both(1), both(2))
THREE: Final = (*TWO, both(3))

TURNING: Final = (both(1), frozenset({ALIAS, address("www", 2)}), both(3))

EMPTIES: Final = Hand(words="somebody empties the zone by hand; the fence stays", keeps=frozenset({MAIL}), fence=True)
CLEARS: Final = Hand(words="somebody empties the zone by hand, the fence too", keeps=frozenset({MAIL}), fence=False)
UNFENCES: Final = Hand(words="somebody deletes the fence by hand", keeps=None, fence=False)

UNTIL_VERIFIED: Final = (
    "the fence still says that a plan is done; the verifier finds the difference, and it is repaired"
)
NO_MEMORY: Final = "the fence is the only memory of what was published; an enactor that read before may write once"
STALE_PLAN: Final = "an enactor that read before may publish a plan that was collected; the next one is repaired whole"

CONFIGURATIONS: Final = (
    Configuration(
        name="two-enactors",
        what="2 enactors, 3 plans of 2 writes each; one write is lost, late, repeated or unanswered",
        setting=Setting(foreign=STRANGERS, wants=THREE, records_max=ONE_RECORD, message_faults=1),
        quick=False,
    ),
    Configuration(
        name="two-enactors-crash",
        what="2 enactors that each crash once, 2 plans; one write is lost, late, repeated or unanswered",
        setting=Setting(foreign=STRANGERS, wants=TWO, records_max=ONE_RECORD, message_faults=1, crashes=1),
        quick=False,
    ),
    Configuration(
        name="three-enactors",
        what="3 enactors, 2 plans of 2 writes each",
        setting=Setting(foreign=STRANGERS, wants=TWO, enactors=3, records_max=ONE_RECORD),
    ),
    Configuration(
        name="from-nothing",
        what="nothing is planned or published; 2 enactors, 2 plans; one write goes astray",
        setting=Setting(foreign=STRANGERS, wants=TWO, installed=False, records_max=ONE_RECORD, message_faults=1),
    ),
    Configuration(
        name="two-faults",
        what="2 enactors, 2 plans; two writes go astray, both late if it comes to that",
        setting=Setting(foreign=STRANGERS, wants=TWO, records_max=ONE_RECORD, message_faults=2),
    ),
    Configuration(
        name="two-planners",
        what="2 planners, 3 plans of 2 writes each; a plan arrives late at the store",
        setting=Setting(foreign=STRANGERS, wants=THREE, records_max=ONE_RECORD, enactors=1, planners=2, plans_late=1),
        quick=False,
    ),
    Configuration(
        name="two-of-each",
        what="2 planners and 2 enactors, 2 plans of 2 writes each",
        setting=Setting(foreign=STRANGERS, wants=TWO, records_max=ONE_RECORD, planners=2),
        quick=False,
    ),
    Configuration(
        name="two-planners-store-lost",
        what="2 planners, 2 plans; the store of plans is lost at any time",
        setting=Setting(foreign=STRANGERS, wants=TWO, enactors=1, planners=2, store_losses=1),
    ),
    Configuration(
        name="two-planners-begin",
        what="2 planners, nothing is planned or published, 1 plan; the store of plans is lost at any time",
        setting=Setting(foreign=STRANGERS, wants=ONE, installed=False, enactors=1, planners=2, store_losses=1),
    ),
    Configuration(
        name="throttled",
        what="2 enactors, 2 plans; a write is refused, once; nothing can be read at any time",
        setting=Setting(foreign=STRANGERS, wants=TWO, records_max=ONE_RECORD, refusals=1, unreadable=True),
    ),
    Configuration(
        name="there-and-back",
        what="2 enactors, 3 plans, the third with what the first had",
        setting=Setting(foreign=STRANGERS, wants=(both(1), both(2), both(1)), records_max=ONE_RECORD),
    ),
    Configuration(
        name="name-turns",
        what="2 enactors, 3 plans: an address becomes a CNAME, and an address again",
        setting=Setting(
            wants=TURNING,
            foreign=frozenset({MAIL}),
            records_max=ONE_NAME,
        ),
    ),
    Configuration(
        name="two-publishers",
        what="2 publishers with an enactor each, one store and clean-up, 2 plans; a write at each goes astray",
        setting=Setting(foreign=STRANGERS, wants=TWO, publishers=2, records_max=ONE_RECORD, message_faults=1),
    ),
    Configuration(
        name="source-fails",
        what="2 enactors, 3 plans; the source of the endpoints names nobody at any time",
        setting=Setting(foreign=STRANGERS, wants=THREE, source_fails=True),
    ),
    Configuration(
        name="store-lost-twice",
        what="2 enactors, 2 plans of one write; the store of plans is lost twice, at any time",
        setting=Setting(foreign=STRANGERS, wants=TWO, store_losses=2),
        quick=False,
    ),
    Configuration(
        name="store-lost",
        what="2 enactors, 2 plans; the store of plans is lost at any time",
        setting=Setting(foreign=STRANGERS, wants=TWO, records_max=ONE_RECORD, store_losses=1),
    ),
    Configuration(
        name="emptied",
        what="2 enactors, 2 plans; the zone is emptied by hand at any time, but for its fence",
        setting=Setting(foreign=STRANGERS, wants=TWO, records_max=ONE_RECORD, hands=(EMPTIES,)),
        exceptions={"one-plan-one-content": UNTIL_VERIFIED, "settled-means-installed": UNTIL_VERIFIED},
    ),
    Configuration(
        name="cleared",
        what="2 enactors, 2 plans; the zone is emptied by hand at any time, its fence too",
        setting=Setting(foreign=STRANGERS, wants=TWO, hands=(CLEARS,)),
        exceptions={"nothing-in-use-collected": STALE_PLAN},
    ),
    Configuration(
        name="unfenced",
        what="2 enactors, 2 plans; the fence is deleted by hand at any time",
        setting=Setting(foreign=STRANGERS, wants=TWO, hands=(UNFENCES,)),
        exceptions={"generation-never-goes-back": NO_MEMORY, "nothing-in-use-collected": STALE_PLAN},
    ),
)
