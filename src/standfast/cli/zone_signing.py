"""`standfast zone sign|keys|roll`: sign a zone file ahead of time, see to the keys of zones that the server signs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from standfast.authority.defaults import LIFETIME_DEFAULT_S
from standfast.authority.diff import apply
from standfast.authority.keyroll import (
    KeyRing,
    RollError,
    Timing,
    begin,
    first,
    phase,
)
from standfast.authority.keyroll import ds_seen as seen_at_parent
from standfast.authority.keys import ALGORITHMS, Key, KeySet, LocalSigner, Role
from standfast.authority.signing import Signing, SigningPolicy, unfit_source
from standfast.authority.signing import sign as sign_zone
from standfast.authority.zone import Zone
from standfast.cli.common import config_option, count, dry_run_option, json_option, moment, print_json
from standfast.cli.exits import NEGATIVE, UNUSABLE
from standfast.cli.parameters import FILE, NameType, origin_option
from standfast.cli.tables import print_table
from standfast.dns.master_writer import master_lines
from standfast.dns.model import Name, RRset, RRType
from standfast.io.authority.key_files import FOLDER, KeyFileError, KeyFiles, read_private
from standfast.io.authority.zone_files import read_zone
from standfast.io.faults import in_words
from standfast.io.settings.config import load
from standfast.io.settings.places import find_config
from standfast.io.whole_files import write_whole

ROLES: Final[Mapping[str, tuple[Role, ...]]] = {"csk": ("csk",), "ksk-zsk": ("ksk", "zsk")}
NAMES: Final = {number: name for name, number in ALGORITHMS.items()}
FILE_MODE: Final = 0o644
DS_TTL_S: Final = 3_600  # as printed; the parent sets its own


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--key", "key_files", type=FILE, multiple=True, help="A private key, PEM. With two: the KSK, then the ZSK."
)
@click.option(
    "--key-dir", type=click.Path(path_type=Path, file_okay=False), help="Where keys lie. Else: keys/ beside FILE."
)
@click.option("--generate", is_flag=True, help="Make keys in the key directory, if the zone has none there.")
@click.option(
    "--algorithm", type=click.Choice(list(ALGORITHMS)), default="ecdsap256sha256", help="Of keys that are made."
)
@click.option("--keys", "roles", type=click.Choice(list(ROLES)), default="csk", help="Make one key for all, or two.")
@click.option(
    "--denial", type=click.Choice(["nsec"]), default="nsec", help="How it is proven that a name is not there."
)
@click.option(
    "--lifetime", type=click.IntRange(1, 366), default=LIFETIME_DEFAULT_S // 86_400, help="Days that signatures last."
)
@click.option("--output", type=FILE, help="Where the signed zone goes. Else: FILE with .signed behind it.")
@click.option("--overwrite", is_flag=True, help="Write it also where there is a file already.")
@origin_option
@json_option
@click.pass_context
def sign(
    ctx: click.Context,
    file: Path,
    key_files: tuple[Path, ...],
    key_dir: Path | None,
    generate: bool,
    algorithm: str,
    roles: str,
    denial: str,  # noqa: ARG001  the only one that a file can hold
    lifetime: int,
    output: Path | None,
    overwrite: bool,
    origin: Name | None,
    as_json: bool,
) -> None:
    """Sign a zone file ahead of time, and print the DS records for its parent.

    The zone is judged first. Its signed version is written beside it, and serves anywhere. Signatures end: sign again
    before they do, or let `standfast up` sign (sign = true), which sees to that itself. Where the output is there
    already, nothing is written without --overwrite, and the exit code is 1.

    \b
    Examples:
      standfast zone sign example.org.zone --generate
      standfast zone sign example.org.zone --overwrite
      standfast zone sign example.org.zone --key ksk.pem --key zsk.pem --output /srv/example.org.signed
    """
    source = read_zone(file, origin=origin).zone
    for fault in unfit_source(source):
        click.echo(f"{file}: {fault}", err=True)
        ctx.exit(UNUSABLE)
    output = output or file.with_name(f"{file.name}.signed")
    writes = overwrite or not output.exists()
    store = KeyFiles(key_dir or file.parent / FOLDER)
    keys = _given(key_files) if key_files else _stored(store, source.origin)
    if keys is None and not generate:
        raise click.UsageError(
            f"no keys of {source.origin} in {store.folder} - make some with --generate, or name some with --key"
        )
    if keys is None and writes:
        keys = _made(store, source.origin, ROLES[roles], ALGORITHMS[algorithm])
    report: dict[str, Any] = {
        "file": str(file),
        "output": str(output),
        "written": writes,
        "origin": source.origin,
        "serial": source.serial,
    }
    if keys is not None:
        report |= _signed(source, keys, lifetime, output if writes else None)
    if as_json:
        print_json(report)
    elif not writes:
        click.echo(f"{output} is there already, and stays as it is; --overwrite takes its place")
    else:
        click.echo("\n".join(report["ds"]))
        click.echo(f"{output}: {count(report['records'], 'record')}, signed until {report['ends']}", err=True)
    if not writes:
        ctx.exit(NEGATIVE)


@click.command()
@click.argument("origin", type=NameType())
@config_option
@json_option
def keys(origin: Name, config: Path | None, as_json: bool) -> None:
    """Show the keys of a zone that the server signs, what each does, and what it waits for.

    Below them are the DS records that the parent should have by now.

    \b
    Example:
      standfast zone keys example.org
    """
    policy, files = _signed_zone(config, origin)
    ring = files.ring(origin)
    if ring is None:
        raise RollError(f"{origin} has no keys yet; they are made when `standfast up` first signs it")
    described = _described(origin, ring, files.keys(origin, ring), policy.timing)
    if as_json:
        print_json(described)
        return
    rows = [
        (
            str(key["id"]),
            key["role"],
            key["algorithm"],
            key["phase"],
            moment(key["until_ms"]) if key["until_ms"] else "-",
        )
        for key in described["keys"]
    ]
    print_table(("KEY", "ROLE", "ALGORITHM", "IS", "AT LEAST UNTIL"), rows)
    click.echo("\n".join(described["ds"]))


@click.command()
@click.argument("origin", type=NameType())
@click.option("--role", type=click.Choice(["csk", "ksk", "zsk"]), help="Which key to replace, where there are two.")
@click.option("--ds-seen", is_flag=True, help="Say that all servers of the parent have the DS of the new key.")
@click.option(
    "--withdraw", is_flag=True, help="Ask the parent to take the DS away (RFC 8078), before a zone goes unsigned."
)
@click.option("--restore", is_flag=True, help="Take that back.")
@config_option
@dry_run_option
@json_option
def roll(
    origin: Name,
    role: Role | None,
    ds_seen: bool,
    withdraw: bool,
    restore: bool,
    config: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Replace a key of a zone that the server signs, without a moment in which the zone is bogus.

    A new key is made, and the running server takes it from there, by itself and through restarts: it publishes the
    key, waits until every cache knows it, and goes over to it. Where the parent vouches for the key, the DS records
    of `standfast zone keys` must come to it, by CDS or by hand. The old key stays until all servers of the parent have
    the new DS: the server asks them where `parent` names them, or --ds-seen says so. `standfast zone keys` shows how
    far it is.

    \b
    Examples:
      standfast zone roll example.org
      standfast zone roll example.org --role zsk
      standfast zone roll example.org --ds-seen
    """
    if ds_seen + withdraw + restore + (role is not None) > 1:
        raise click.UsageError("one of --role, --ds-seen, --withdraw and --restore at a time")
    policy, files = _signed_zone(config, origin)
    with files.locked():
        ring = files.ring(origin)
        if ring is None:
            raise RollError(f"{origin} has no keys yet; they are made when `standfast up` first signs it")
        now = time.time()
        if ds_seen:
            offered = frozenset(key.id for key in ring.keys if key.offered)
            after, said = seen_at_parent(ring, offered, now), f"the DS of {origin} counts as seen from now on"
        elif withdraw or restore:
            after = replace(ring, withdrawn=withdraw)
            said = f"the parent is asked to {'take the DS away' if withdraw else 'keep the DS'}, by CDS and CDNSKEY"
        else:
            wanted = role or ("csk" if any(key.role == "csk" for key in ring.keys) else None)
            if wanted is None:
                raise click.UsageError(f"{origin} has a KSK and a ZSK - say which with --role")
            begin(ring, 0, wanted)  # raises where none can begin, before a key is made
            said = f"a new {wanted} of {origin} takes the place of the old one"
            after = ring if dry_run else _begun(files, origin, ring, wanted)
        if not dry_run:
            files.save(origin, after)
    described = _described(origin, after, files.keys(origin, after), policy.timing)
    if as_json:
        print_json({"done": not dry_run, **described})
    else:
        click.echo(f"would be: {said}" if dry_run else f"{said}; `standfast zone keys {origin}` shows how far it is")


def _begun(files: KeyFiles, origin: Name, ring: KeyRing, role: Role) -> KeyRing:
    there = files.keys(origin, ring)
    algorithm = next(key.signer.algorithm for key in there.values())
    return begin(ring, files.make(origin, role, algorithm, frozenset(there)).tag, role)


def _signed_zone(config: Path | None, origin: Name) -> tuple[SigningPolicy, KeyFiles]:
    authority = load(find_config(config)).authority
    rules = None if authority is None else authority.rules.get(origin)
    if authority is None or authority.state_dir is None or rules is None or rules.signing is None:
        raise click.UsageError(f"the configuration does not sign {origin} - set sign = true in its [[authority.zone]]")
    return rules.signing, KeyFiles(authority.state_dir / FOLDER)


def _described(origin: Name, ring: KeyRing, keys: Mapping[int, Key], timing: Timing) -> dict[str, Any]:
    states = []
    for state in ring.keys:
        stands, until_s = phase(ring, timing, state)
        states.append(
            {
                "id": state.id,
                "role": state.role,
                "algorithm": NAMES[keys[state.id].signer.algorithm],
                "phase": stands,
                "until_ms": None if until_s is None else int(until_s * 1000),
            }
        )
    for_parent = [keys[state.id] for state in ring.keys if state.offered and not ring.withdrawn]
    return {"origin": origin, "keys": states, "withdrawn": ring.withdrawn, "ds": _ds_lines(origin, for_parent)}


def _ds_lines(origin: Name, keys: Sequence[Key]) -> list[str]:
    if not keys:
        return []
    rdatas = tuple(key.ds(origin) for key in keys)
    return list(master_lines([RRset(owner=origin, rtype=RRType.DS, ttl_s=DS_TTL_S, rdatas=rdatas)]))


# Of `zone sign` --------------------------------------------------------------------------------------------------


def _given(paths: Sequence[Path]) -> KeySet:
    if len(paths) > 2:
        raise click.UsageError("one key for all, or two: the KSK, then the ZSK")
    roles: Sequence[Role] = ("csk",) if len(paths) == 1 else ("ksk", "zsk")
    return _all_of([Key(LocalSigner(read_private(path)), role) for path, role in zip(paths, roles, strict=True)])


def _stored(files: KeyFiles, origin: Name) -> KeySet | None:
    ring = files.ring(origin)
    return None if ring is None else _all_of(list(files.keys(origin, ring).values()))


def _made(files: KeyFiles, origin: Name, roles: Sequence[Role], algorithm: int) -> KeySet:
    with files.locked():
        made: list[Key] = []
        for role in roles:
            made.append(files.make(origin, role, algorithm, frozenset(key.tag for key in made)))
        files.save(origin, first({key.tag: key.role for key in made}))
    return _all_of(made)


def _all_of(keys: Sequence[Key]) -> KeySet:
    return KeySet(
        published=keys,
        sign_keys=[key for key in keys if key.role != "zsk"],
        sign_data=[key for key in keys if key.role != "ksk"],
    )


def _signed(source: Zone, keys: KeySet, days: int, output: Path | None) -> dict[str, Any]:
    policy = SigningPolicy(algorithm=keys.published[0].signer.algorithm, lifetime_s=days * 86_400)
    signing = Signing(keys=keys, policy=policy, now=time.time())
    changes = sign_zone(source, [], signing, served_serial=None) if output is not None else []
    zone = apply(source, changes)
    if output is not None:
        text = "".join(f"{line}\n" for line in master_lines(zone.rrsets()))
        try:
            write_whole(output, text.encode(), mode=FILE_MODE)
        except OSError as error:
            raise KeyFileError(
                output, f"cannot be written: {in_words(error)}", "Name another with --output."
            ) from error
    ends = signing.lifetime.first_expiration
    return {
        "records": sum(len(rrset.rdatas) for rrset in zone.rrsets()),
        "signatures": sum(len(each.rdatas) for node in zone.signatures.values() for each in node.values()),
        "keys": [{"id": key.tag, "role": key.role, "algorithm": NAMES[key.signer.algorithm]} for key in keys.published],
        "ends_ms": ends * 1000,
        "ends": moment(ends * 1000),
        "ds": _ds_lines(source.origin, keys.sign_keys),
    }
