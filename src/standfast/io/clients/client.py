"""Whoever sent a query, as the shell hands it to the core and gets it back with the reply."""

from collections.abc import Callable

from standfast.dns.model import Query, Reply
from standfast.dns.prepared import Preparable


class Client:
    """One query's sender; its transport makes one of these for each query."""

    __slots__ = ()

    def respond(self, query: Query, reply: Reply, entry: Preparable | None = None) -> None:
        """Send the reply if the client is still there; nobody waits for it, and nothing is raised.

        `entry`: the cache's, when the reply came from there and may be given again.
        """
        raise NotImplementedError


OnQuery = Callable[[Client, Query], None]
