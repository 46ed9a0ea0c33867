"""Who else serves a zone, and how one speaks with them. Data only."""

from dataclasses import dataclass

from standfast.dns.model import Name
from standfast.dns.servers import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Another server of a zone, and the key under which one speaks with it."""

    server: Server
    key: Name | None = None
