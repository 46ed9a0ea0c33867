"""An authority of this machine, as another process has it: asked where it listens, or read from its file.

That is for those who want to know what would be planned, before anything runs and beside what runs; and for those who
bring a name back.
"""

import random
import time
from pathlib import Path

from standfast.control.fence import Standing
from standfast.control.publishing import Batch, Outcome, PublisherError, PublisherFacts, Reading, Refused
from standfast.dns.model import Name
from standfast.io.authority.primaries import Primary
from standfast.io.authority.zone_files import ZoneFileError, origin_of, read_zone
from standfast.io.control.publishers.build import PublisherUnusable
from standfast.io.control.publishers.own import content_of
from standfast.io.control.publishers.rfc2136 import Rfc2136Publisher
from standfast.io.settings.authority import AuthorityConfig


def by_updates(name: str, authority: AuthorityConfig, zone: Name) -> Rfc2136Publisher:
    """Return the authority of another process of this machine as one that takes updates of `zone`.

    Raises:
        PublisherUnusable: nobody here may update the zone there.
    """
    rules = authority.rules.get(zone, authority.default_rules)
    listen = next((server for server in authority.listen if server.port), None)
    if listen is None:
        raise PublisherUnusable(name, "its process listens on a port that only it knows; set `listen` in [authority]")
    keys = [authority.keys[key] for key in sorted(rules.allow_update.keys & rules.allow_transfer.keys)]
    if not keys and not all(each.admits(listen.host, None) for each in (rules.allow_update, rules.allow_transfer)):
        why = (
            "it is the authority of another process, and lets nobody change the zone by the wire; give it a key, and"
            ' allow_update = ["key:NAME"] and allow_transfer = ["key:NAME"] in [authority]'
        )
        raise PublisherUnusable(name, why)
    primary = Primary(server=listen, key=keys[0] if keys else None)
    return Rfc2136Publisher(name, primary, rng=random.SystemRandom(), wall=time.time)


class AuthorityFromOutside:
    """Reads what the authority of a configuration publishes, or will when it starts. Writes nothing."""

    def __init__(self, name: str, authority: AuthorityConfig) -> None:
        """Ask nothing yet."""
        self.facts = PublisherFacts(name=name)
        self._files = authority.zones
        self._state_dir = authority.state_dir
        listen = next((server for server in authority.listen if server.port), None)
        self._asked = (
            Rfc2136Publisher(name, Primary(server=listen, key=None), rng=random.SystemRandom(), wall=time.time)
            if listen is not None
            else None
        )

    async def fence(self, zone: Name) -> Standing:
        """Return the fence that stands. Raises `PublisherError`."""
        why = "it listens on a port that only it knows"
        if self._asked is not None:
            try:
                return await self._asked.fence(zone)
            except PublisherError as error:
                why = error.why
        if self._file(zone) is not None and not self._has_state:
            return None  # it never ran: what its file says is what it will serve
        raise PublisherError(self.facts.name, zone, f"{why}; start it with `standfast up`, or take --offline")

    async def read(self, zone: Name) -> Reading:
        """Return all that is published, or will be when it starts. Raises `PublisherError`."""
        file = self._file(zone)
        if file is not None and not self._has_state:
            try:
                return Reading(fence=None, content=content_of(read_zone(file).zone))
            except ZoneFileError as error:
                raise PublisherError(self.facts.name, zone, str(error)) from error
        if self._asked is None:
            raise PublisherError(self.facts.name, zone, "it listens on a port that only it knows")
        return await self._asked.read(zone)

    async def write(self, batch: Batch) -> Outcome:
        """Refuse: only its own process writes there."""
        return Refused(why=f"{batch.zone} is served by another process")

    @property
    def _has_state(self) -> bool:
        return self._state_dir is not None and self._state_dir.exists()

    def _file(self, zone: Name) -> Path | None:
        return next((file for file in self._files if origin_of(file) == zone), None)
