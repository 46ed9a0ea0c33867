"""What an authority has prepared, beside the zones that it is made of: kept, and voided when they change."""

from collections.abc import Callable
from dataclasses import dataclass

from standfast.authority.lookup import trace
from standfast.authority.voided import names_touched
from standfast.dns.model import Query
from standfast.dns.prepared import Keeper
from standfast.dns.standing import Made, StandingAnswers
from standfast.io.authority.zones import Published, ServedZones
from standfast.io.clients.client import Client
from standfast.io.clients.datagrams import FastPath


class Answers:
    """Answers queries from the zones that are served, and has what it answered given again by the fast path."""

    def __init__(self, served: ServedZones, now: Callable[[], float]) -> None:
        """Begin with none. `now` is the time, in seconds."""
        self._served = served
        self._standing = StandingAnswers()
        self.fast = FastPath(self._standing, now=now, on_hits=lambda _hits: None)
        served.on_published.append(self._void)
        served.on_withheld.append(lambda _origin: self.begin())

    def on_query(self, client: Client, query: Query) -> None:
        """Answer a query that nothing is prepared for."""
        reply, made = trace(self._served.answering, query, self._served.withheld)
        client.respond(query, reply, _Standing(made))

    def begin(self) -> None:
        """Forget all that was prepared."""
        self._standing.begin({*self._served.zones, *self._served.withheld})

    def _void(self, published: Published) -> None:
        if published.before is None:
            self.begin()
            return
        names = names_touched(published.before, published.after, published.changes)
        if names is None:
            self._standing.clear()
        else:
            self._standing.void(published.origin, names)


@dataclass(frozen=True, slots=True)
class _Standing:
    """An answer that is right until what it was made of changes: its TTLs do not count down."""

    made: Made

    def prepare(self, keeper: Keeper, query: bytes, answer: bytes, now: float) -> None:
        """Have `answer` kept, where that is for datagrams; by TCP little is asked."""
        if isinstance(keeper, StandingAnswers):
            keeper.put_made(query, answer, self.made, now)
