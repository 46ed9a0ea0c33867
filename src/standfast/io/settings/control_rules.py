"""What the keys of `[control]` must be to each other and to the files that they name: one function a rule."""

from collections.abc import Iterator, Mapping
from typing import Final

from standfast.dns.name import BadName, parse_name
from standfast.io.clients.certificates import CertificateError, read_certificate
from standfast.io.faults import in_words
from standfast.io.settings.addresses import parse_remote
from standfast.io.settings.config_file import Draft, Rule
from standfast.io.settings.control import store_certificate_of
from standfast.io.settings.control_keys import ETCD_PREFIX, ControlKeys, PublisherKind
from standfast.io.settings.key_rules import KEY_RULES
from standfast.io.settings.places import Finding

_OF_KIND: Final[Mapping[PublisherKind, frozenset[str]]] = {
    PublisherKind.AUTHORITY: frozenset({"verify"}),
    PublisherKind.RFC2136: frozenset({"server", "verify"}),
    PublisherKind.ROUTE53: frozenset({"verify", "zone_ids", "endpoint_url"}),
}


def something_is_intended(draft: Draft) -> Iterator[Finding]:
    """Without an intent there is nothing to plan; and one that nobody reads is a slip."""
    control = draft.content.control
    if control is not None and not control.intent and not draft.content.intent:
        what = '[control] lacks "intent" - name the file that says what is wanted, or write [intent] right here'
        yield draft.finding(("control",), what)
    if control is None and draft.content.intent:
        yield draft.finding(("intent",), "[intent] counts for nothing without [control] - add it, with its publishers")


def intent_files_are_there(draft: Draft) -> Iterator[Finding]:
    """What is in them is read, and checked, afterwards."""
    intent = _control(draft).intent
    for at, text in enumerate(intent):
        path = draft.base / text
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            yield draft.finding(("control", "intent", at), f"intent: {path} cannot be read: {in_words(error)}")
        if text in intent[:at]:
            yield draft.finding(("control", "intent", at), f'intent: "{text}" is there already')


def store_is_shown_a_certificate(draft: Draft) -> Iterator[Finding]:
    """Without it a store that wants one would refuse every connection, at the first start and not before."""
    control = _control(draft)
    for given, lacking in (("store_certificate", "store_key"), ("store_key", "store_certificate")):
        if getattr(control, given) and not getattr(control, lacking):
            yield draft.finding(("control", given), f"{given} is of no use without {lacking} - name both files")
    files = store_certificate_of(control, draft.base)
    if files is None:
        return
    if not control.store.startswith(ETCD_PREFIX):
        what = f'store_certificate: it is shown to etcd, and the store is "{control.store}"'
        yield draft.finding(("control", "store_certificate"), what)
    try:
        read_certificate(files)
    except CertificateError as error:
        key = "store_key" if error.path == files.key else "store_certificate"
        yield draft.finding(("control", key), f"{key}: {error}")


def one_publisher_of_a_name(draft: Draft) -> Iterator[Finding]:
    """Which of two is meant would be a guess."""
    first: dict[str, int] = {}
    for at, publisher in enumerate(_control(draft).publisher):
        if publisher.name in first:
            line = draft.lines.get(("control", "publisher", first[publisher.name], "name"))
            what = f'name: "{publisher.name}" is there already, in line {line}'
            yield draft.finding(("control", "publisher", at, "name"), what)
        first.setdefault(publisher.name, at)


def publishers_have_what_they_need(draft: Draft) -> Iterator[Finding]:
    """A key of another kind would be read as if it did something."""
    for at, publisher in enumerate(_control(draft).publisher):
        where = ("control", "publisher", at)
        for key in sorted(publisher.model_fields_set - {"name", "kind"} - _OF_KIND[publisher.kind]):
            homes = " and ".join(f'"{kind}"' for kind, keys in _OF_KIND.items() if key in keys)
            yield draft.finding((*where, key), f'{key} is for kind {homes}, and "{publisher.name}" is none')
        if publisher.kind is PublisherKind.RFC2136 and publisher.server is None:
            what = f'"{publisher.name}" lacks "server" - name its primary, like "192.0.2.1 key:NAME"'
            yield draft.finding((*where, "name"), what)
        if publisher.kind is PublisherKind.AUTHORITY and draft.content.authority is None:
            what = f'kind: "{publisher.name}" is the [authority] of this file, which has none - add it, or '
            yield draft.finding((*where, "kind"), what + 'reach one that runs elsewhere by kind = "rfc2136"')


def one_authority_in_a_process(draft: Draft) -> Iterator[Finding]:
    """Two names for it would be two publishers that overtake each other."""
    own = [each.name for each in _control(draft).publisher if each.kind is PublisherKind.AUTHORITY]
    for at, publisher in enumerate(_control(draft).publisher):
        if publisher.kind is PublisherKind.AUTHORITY and publisher.name != own[0]:
            what = f'kind: the [authority] of this file is "{own[0]}" already'
            yield draft.finding(("control", "publisher", at, "kind"), what)


def servers_have_their_keys(draft: Draft) -> Iterator[Finding]:
    """A slip in the name of a key would shut us out."""
    known = {key.name for key in _control(draft).keys}
    for at, publisher in enumerate(_control(draft).publisher):
        key = parse_remote(publisher.server).key if publisher.server is not None else None
        if key is not None and key not in known:
            what = f'server: "{publisher.server}" names a key that is not there - add it with [[control.keys]]'
            yield draft.finding(("control", "publisher", at, "server"), what)


def hosted_zones_have_names(draft: Draft) -> Iterator[Finding]:
    """A zone under a name that is none would be looked for in vain."""
    for at, publisher in enumerate(_control(draft).publisher):
        for name in publisher.zone_ids:
            try:
                parse_name(name)
            except BadName as error:
                yield draft.finding(("control", "publisher", at, "zone_ids", name), f"zone_ids: {error}")


def no_role_twice(draft: Draft) -> Iterator[Finding]:
    """It would look like two of them."""
    run = _control(draft).run
    for at, role in enumerate(run):
        if role in run[:at]:
            yield draft.finding(("control", "run", at), f'run: "{role}" is there already')


CONTROL_RULES: tuple[Rule, ...] = (
    something_is_intended,
    intent_files_are_there,
    store_is_shown_a_certificate,
    one_publisher_of_a_name,
    publishers_have_what_they_need,
    one_authority_in_a_process,
    servers_have_their_keys,
    hosted_zones_have_names,
    no_role_twice,
)

PUBLISHING_RULES: tuple[Rule, ...] = (  # what must hold for a name to be restored, whatever else is wrong
    one_publisher_of_a_name,
    publishers_have_what_they_need,
    servers_have_their_keys,
    hosted_zones_have_names,
    *KEY_RULES,
)


def _control(draft: Draft) -> ControlKeys:
    return draft.content.control or ControlKeys()
