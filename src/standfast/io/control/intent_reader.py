"""The files of an intent read again and again: where only data and TTLs of some records were edited, they alone are.

Everything else that can be wrong with an intent depends on which names, types, pools and zones there are, and these
are as they were when the whole was read. What `load_intent` returns is what counts; this is the same, sooner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from standfast.control.intent import Intent
from standfast.dns.model import Name, RRset, RRType
from standfast.io.control.edited_texts import edit_of
from standfast.io.control.intent_files import read_intent, records_alone
from standfast.io.control.intent_parts import digest_of, read_octets
from standfast.io.control.keyed_texts import BadText, Listing
from standfast.io.settings.control import ControlConfig

LIST: Final = "records"
LEADING: Final = frozenset({RRType.NS})  # whose data say what else may stand: of name servers, their addresses

_Key = tuple[Name, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file as it was read last; `records` where it is YAML and has any."""

    digest: bytes
    records: Listing | None


class IntentReader:
    """Reads one intent whenever it is asked to. Not for several threads at once."""

    def __init__(self, control: ControlConfig) -> None:
        """Read nothing yet; `control` names the files."""
        self._control = control
        self._intent: Intent | None = None  # the last that nothing was wrong with, which `_files` said
        self._files: Mapping[Path, _File] = {}

    def read(self) -> Intent:
        """Return what the files want now.

        Raises:
            ConfigError: with everything that is wrong, in the order of files and lines.
        """
        edited = None if self._intent is None else self._edited(self._intent)
        if edited is not None:
            self._intent, self._files = edited
            return edited[0]
        intent, parts = read_intent(self._control)
        self._intent = intent
        self._files = {
            part.path: _File(digest=part.digest, records=part.text.listings.get(LIST))
            for part in parts
            if part.path is not None
        }
        return intent

    def _edited(self, intent: Intent) -> tuple[Intent, Mapping[Path, _File]] | None:
        """Return what is wanted by files as they are now; None where all of them have to be read."""
        files = dict(self._files)
        records: dict[_Key, RRset] = {}
        for path, file in self._files.items():
            try:
                octets = read_octets(path)
            except (OSError, BadText):
                return None
            digest = digest_of(octets)
            if digest == file.digest:
                continue
            edit = None if file.records is None else edit_of(file.records, octets)
            if edit is None:
                return None
            before, after = records_alone(edit.before), records_alone(edit.after)
            if before is None or after is None or list(map(_key, before)) != list(map(_key, after)):
                return None
            if any(rrset.rtype in LEADING for rrset in after):
                return None
            files[path] = _File(digest=digest, records=edit.listing)
            records.update(zip(map(_key, after), after, strict=True))
        return _with_records(intent, records), files


def _with_records(intent: Intent, records: Mapping[_Key, RRset]) -> Intent:
    """Return `intent` with other data of some RRsets, all of which it has."""
    owners = {owner for owner, _ in records}
    zones = {
        origin: replace(
            zone,
            records=tuple(
                [records.get((each.owner, each.rtype), each) if each.owner in owners else each for each in zone.records]
            ),
        )
        for origin, zone in intent.zones.items()
    }
    return replace(intent, zones=zones)


def _key(rrset: RRset) -> _Key:
    return rrset.owner, rrset.rtype
