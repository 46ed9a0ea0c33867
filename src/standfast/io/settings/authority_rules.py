"""What the keys of `[authority]` must be to each other and to the files that they name: one function a rule."""

from collections.abc import Iterator
from typing import Final

from standfast.authority.remote import Remote
from standfast.dns.model import Name
from standfast.dns.name import is_below
from standfast.io.authority.zone_files import origin_of
from standfast.io.faults import in_words
from standfast.io.settings.addresses import ListenAddress, own_address, parse_access, parse_local, parse_remote
from standfast.io.settings.authority_keys import AuthorityKeys, DenialScheme
from standfast.io.settings.config_file import Draft, Rule
from standfast.io.settings.places import Finding
from standfast.io.settings.toml_lines import Where

_SIGNING: Final = frozenset(
    """
    algorithm keys denial signature_lifetime_s dnskey_ttl_s propagation_s parent parent_propagation_s ds_ttl_s
    """.split()
)
_ACCESS: Final = ("allow_transfer", "allow_update")
_REMOTES: Final = ("notify", "primaries")


def something_is_served(draft: Draft) -> Iterator[Finding]:
    """Without a zone there is nothing that anybody could ask for."""
    authority = draft.content.authority
    if authority and not authority.zones and not any(zone.primaries for zone in authority.zone):
        yield draft.finding(("authority",), '[authority] lacks "zones" - name at least one master file')


def zone_files_are_there(draft: Draft) -> Iterator[Finding]:
    """A zone without its file is not served; what is in the files, `standfast zone check` says."""
    authority = draft.content.authority
    for at, text in enumerate(authority.zones if authority else []):
        path = draft.base / text
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            yield draft.finding(("authority", "zones", at), f"zones: {path} cannot be read: {in_words(error)}")
        if authority and text in authority.zones[:at]:
            yield draft.finding(("authority", "zones", at), f'zones: "{text}" is there already')


def promises_have_a_zone(draft: Draft) -> Iterator[Finding]:
    """A slip in a promised name would guard nothing. Where a file has no zone to be seen, none can be missed."""
    authority = draft.content.authority
    if authority is None or not authority.promise:
        return
    origins = [*_origins(draft), *(zone.origin for zone in authority.zone if zone.primaries)]
    for at, promise in enumerate(authority.promise):
        if None not in origins and not any(origin and is_below(promise.name, origin) for origin in origins):
            what = f"name: {promise.name} is in none of the zones that are served"
            yield draft.finding(("authority", "promise", at, "name"), what)


def one_table_for_a_zone(draft: Draft) -> Iterator[Finding]:
    """Which of two tables for one zone holds would be a guess."""
    first: dict[Name, int] = {}
    for at, zone in enumerate(_authority(draft).zone):
        if zone.origin in first:
            line = draft.lines.get(("authority", "zone", first[zone.origin], "origin"))
            what = f'origin: "{zone.origin}" has a table already, in line {line}'
            yield draft.finding(("authority", "zone", at, "origin"), what)
        first.setdefault(zone.origin, at)


def zones_have_one_source(draft: Draft) -> Iterator[Finding]:
    """A zone comes from a file or from other servers; a slip in its name would leave its rules without it."""
    origins = _origins(draft)
    for at, zone in enumerate(_authority(draft).zone):
        where = ("authority", "zone", at, "origin")
        if zone.primaries and zone.origin in origins:
            what = f'primaries: "{zone.origin}" is in a file as well - take one of the two out'
            yield draft.finding(("authority", "zone", at, "primaries"), what)
        if not zone.primaries and zone.origin not in origins and None not in origins:
            what = f'origin: none of the zones is "{zone.origin}" - name its file there, or its primaries here'
            yield draft.finding(where, what)


def keys_are_there(draft: Draft) -> Iterator[Finding]:
    """A slip in the name of a key would shut out who has it."""
    known = {key.name for key in _authority(draft).keys}
    for where, text, key in _keys_named(draft):
        if key not in known:
            what = f'{where[-2]}: "{text}" names a key that is not there - add it with [[authority.keys]]'
            yield draft.finding(where, what)


def no_server_tells_itself(draft: Draft) -> Iterator[Finding]:
    """A secondary of its own would ask itself for ever."""
    listen = [ListenAddress(parse_local(text)) for text in _authority(draft).listen]
    for where, text, remote in _remotes_named(draft):
        if own := own_address(remote.server, listen):
            yield draft.finding(where, f'{where[-2]}: "{text}" is this server itself, which listens on {own}')


def signing_is_asked_for(draft: Draft) -> Iterator[Finding]:
    """How to sign, where nobody signs, would be read as a zone that is signed."""
    for at, zone in enumerate(_authority(draft).zone):
        for key in sorted(_SIGNING & zone.model_fields_set) if not zone.sign else ():
            what = f"{key} counts for zones that are signed only - add sign = true"
            yield draft.finding(("authority", "zone", at, key), what)


def secondaries_are_signed_elsewhere(draft: Draft) -> Iterator[Finding]:
    """A secondary has the signatures of its primary."""
    for at, zone in enumerate(_authority(draft).zone):
        if zone.sign and zone.primaries:
            what = f'sign: "{zone.origin}" comes from its primaries, and is signed there - take one of the two out'
            yield draft.finding(("authority", "zone", at, "sign"), what)


def compact_denials_stay_here(draft: Draft) -> Iterator[Finding]:
    """Secondaries have no key to deny with: of such a zone they could prove nothing."""
    authority = _authority(draft)
    for at, zone in enumerate(authority.zone):
        if not zone.sign or zone.denial is not DenialScheme.COMPACT:
            continue
        for key in ("allow_transfer", "notify"):
            own = getattr(zone, key)
            if getattr(authority, key) if own is None else own:
                what = f'denial: "compact" needs the key, which secondaries lack - set {key} = [] for {zone.origin}'
                yield draft.finding(("authority", "zone", at, "denial"), f'{what}, or denial = "nsec"')


AUTHORITY_RULES: tuple[Rule, ...] = (
    something_is_served,
    zone_files_are_there,
    promises_have_a_zone,
    one_table_for_a_zone,
    zones_have_one_source,
    keys_are_there,
    no_server_tells_itself,
    signing_is_asked_for,
    secondaries_are_signed_elsewhere,
    compact_denials_stay_here,
)


def _authority(draft: Draft) -> AuthorityKeys:
    return draft.content.authority or AuthorityKeys()


def _origins(draft: Draft) -> list[Name | None]:
    """Return the zone of each file; None where it has none to be seen."""
    return [origin_of(draft.base / text) for text in _authority(draft).zones]


def _lists(draft: Draft, names: tuple[str, ...]) -> Iterator[tuple[Where, str]]:
    """Yield every text of the lists called `names`, those of single zones too, and its place."""
    authority = _authority(draft)
    tables: list[tuple[Where, object]] = [(("authority",), authority)]
    tables += [(("authority", "zone", at), zone) for at, zone in enumerate(authority.zone)]
    for place, table in tables:
        for name in names:
            for at, text in enumerate(getattr(table, name, None) or []):
                yield (*place, name, at), text


def _remotes_named(draft: Draft) -> Iterator[tuple[Where, str, Remote]]:
    for where, text in _lists(draft, _REMOTES):
        yield where, text, parse_remote(text)


def _keys_named(draft: Draft) -> Iterator[tuple[Where, str, Name]]:
    for where, text, remote in _remotes_named(draft):
        if remote.key is not None:
            yield where, text, remote.key
    for where, text in _lists(draft, _ACCESS):
        if isinstance(access := parse_access(text), str):
            yield where, text, access
