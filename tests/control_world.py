"""Plans, a keeper of them and enactors that are run step by step, for tests of the control plane."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from publishers_in_memory import InMemoryPublisher
from standfast.control.difference import repair
from standfast.control.enacting import (
    Action,
    AskFence,
    AskNewest,
    AskPlans,
    AskWhole,
    Event,
    Failed,
    FenceRead,
    Job,
    NewestRead,
    PlansRead,
    Rest,
    Settled,
    State,
    Wake,
    WholeRead,
    Write,
)
from standfast.control.enactor import begin, step
from standfast.control.plan import Content, Plan, PlanHead, make_plan
from standfast.control.publishing import PublisherError
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.wire import name_from_text

ZONE = "example.org."
STEPS_MAX = 200  # far more than any test takes; more is an enactor that never rests


def a(owner: str, *hosts: int, ttl_s: int = 60) -> RRset:
    """Return addresses of documentation (RFC 5737)."""
    return RRset(owner=owner, rtype=RRType.A, ttl_s=ttl_s, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


def aaaa(owner: str, host: int) -> RRset:
    """Return an address of documentation (RFC 3849)."""
    rdata = bytes.fromhex("20010db8") + bytes(11) + bytes((host,))
    return RRset(owner=owner, rtype=RRType.AAAA, ttl_s=60, rdatas=(rdata,))


def cname(owner: str, target: str) -> RRset:
    """Return an alias."""
    return RRset(owner=owner, rtype=RRType.CNAME, ttl_s=60, rdatas=(name_from_text(target),))


def txt(owner: str, text: str) -> RRset:
    """Return a text of one string."""
    rdata = bytes((len(text),)) + text.encode()
    return RRset(owner=owner, rtype=RRType.TXT, ttl_s=60, rdatas=(rdata,))


def content(*rrsets: RRset) -> Content:
    """Return these as they are planned or found."""
    nodes: dict[Name, dict[int, RRset]] = {}
    for rrset in rrsets:
        nodes.setdefault(rrset.owner, {})[rrset.rtype] = rrset
    return nodes


@dataclass(kw_only=True)
class Plans:
    """What a store keeps of one zone, at once."""

    plans: dict[int, Plan] = field(default_factory=dict)
    contents: dict[int, Content] = field(default_factory=dict)

    @property
    def newest(self) -> PlanHead | None:
        """Return the newest plan's head."""
        return self.plans[max(self.plans)].head if self.plans else None

    def plan(self, wanted: Content, *, generation: int | None = None) -> PlanHead:
        """Make a plan of `wanted`, and keep it."""
        base = self.newest
        before = self.contents[base.generation] if base else {}
        number = generation or (base.generation if base else 0) + 1
        plan = make_plan(zone=ZONE, generation=number, base=base, changes=repair(wanted, before, before), made_at_s=0.0)
        self.plans[number] = plan
        self.contents[number] = wanted
        return plan.head

    def lose(self) -> None:
        """Forget everything."""
        self.plans.clear()
        self.contents.clear()

    def collect(self, *generations: int) -> None:
        """Forget these."""
        for generation in generations:
            del self.plans[generation], self.contents[generation]

    def since(self, after: int, to: int) -> tuple[Plan, ...]:
        """Return those between."""
        return tuple(self.plans[number] for number in sorted(self.plans) if after < number <= to)


@dataclass(kw_only=True)
class Walker:
    """One enactor, one step at a time: between two of them anything may happen."""

    plans: Plans
    publisher: InMemoryPublisher
    name: str = "a.1"
    state: State = field(init=False)
    action: Action = field(init=False)
    did: list[str] = field(default_factory=list)  # the kinds of actions

    def __post_init__(self) -> None:
        """Begin."""
        self.state, self.action = begin(Job(zone=ZONE, writer=self.name, limits=self.publisher.facts.limits))

    @property
    def is_resting(self) -> bool:
        """Say whether it waits to be woken."""
        return isinstance(self.action, Rest | Settled)

    def step(self) -> None:
        """Do the action, and have the machine decide."""
        self.did.append(type(self.action).__name__)
        self.state, self.action = step(self.state, self._done(self.action))

    def until(self, *kinds: type) -> Action:
        """Go on until the next action is of one of these kinds."""
        for _ in range(STEPS_MAX):
            if isinstance(self.action, kinds):
                return self.action
            self.step()
        raise AssertionError(f"no rest in {STEPS_MAX} steps: {self.did[-10:]}")

    def rest(self) -> Action:
        """Go on until it rests; return by what."""
        return self.until(Rest, Settled)

    def settle(self, *, whole: bool = False, looks_max: int = 10) -> Action:
        """Wake it, until it is settled or has looked so often; return by what it rests."""
        if self.is_resting:
            self.wake(whole=whole)
        for _ in range(looks_max):
            if isinstance(self.rest(), Settled):
                break
            self.wake()
        return self.rest()

    def wake(self, *, whole: bool = False) -> None:
        """Wake it."""
        self.state, self.action = step(self.state, Wake(whole=whole))

    def _done(self, action: Action) -> Event:
        try:
            match action:
                case AskFence():
                    return FenceRead(fence=self.publisher.reading(ZONE).fence)
                case AskNewest():
                    return NewestRead(head=self.plans.newest)
                case AskPlans(after=after, to=to):
                    return PlansRead(plans=self.plans.since(after, to))
                case AskWhole(plan=plan, after=after):
                    return WholeRead(
                        reading=self.publisher.reading(ZONE),
                        planned=self.plans.contents.get(plan.generation),
                        plans=self.plans.since(after, plan.generation),
                    )
                case Write(batch=batch):
                    return self.publisher.written(batch)
                case _:
                    return Wake()
        except PublisherError as error:
            return Failed(why=str(error))


def shown(of: Content) -> Mapping[tuple[Name, int], tuple[int, frozenset[bytes]]]:
    """Return content so that two that say the same are equal."""
    return {
        (owner, rtype): (rrset.ttl_s, frozenset(rrset.rdatas))
        for owner, node in of.items()
        for rtype, rrset in node.items()
    }
