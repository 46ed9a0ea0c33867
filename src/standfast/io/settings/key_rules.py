"""Secrets shared with others, wherever `standfast.toml` has them: what must hold for them, and the keys they make."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from standfast.dns.model import Name
from standfast.dns.tsig import TsigKey
from standfast.io.faults import in_words
from standfast.io.settings.authority_keys import KeyKeys
from standfast.io.settings.config_file import Draft, Rule
from standfast.io.settings.places import Finding

SECRET_FILE_OCTETS_MAX: Final = 4096  # a secret has some 90 at most; what is larger is another file


class BadSecret(ValueError):
    """A secret that cannot be used; its text says why, and nothing of the secret."""


def one_key_of_a_name(draft: Draft) -> Iterator[Finding]:
    """Which of two secrets is meant would be a guess."""
    for table, keys in _tables(draft):
        first: dict[Name, int] = {}
        for at, key in enumerate(keys):
            if key.name in first:
                line = draft.lines.get((table, "keys", first[key.name], "name"))
                yield draft.finding((table, "keys", at, "name"), f'name: "{key.name}" is there already, in line {line}')
            first.setdefault(key.name, at)


def keys_have_a_secret(draft: Draft) -> Iterator[Finding]:
    """Nothing of a secret is shown, not even of one that cannot be used."""
    for table, keys in _tables(draft):
        for at, key in enumerate(keys):
            try:
                secret_of(key, draft.base)
            except BadSecret as error:
                named = "secret_file" if key.secret_file else "secret"
                yield draft.finding((table, "keys", at, named), f"{named}: {error}")


KEY_RULES: tuple[Rule, ...] = (one_key_of_a_name, keys_have_a_secret)


def keys_of(keys: Iterable[KeyKeys], base: Path) -> Mapping[Name, TsigKey]:
    """Return the keys by name; relative paths start from `base`.

    Raises:
        BadSecret: one has none that can be used.
    """
    return {key.name: TsigKey(name=key.name, algorithm=key.algorithm, secret=secret_of(key, base)) for key in keys}


def secret_of(key: KeyKeys, base: Path) -> bytes:
    """Return the secret of `key`, out of its file where it has one.

    Raises:
        BadSecret: there is none, there are two, it cannot be read, or it is no base64.
    """
    if (key.secret is None) == (key.secret_file is None):
        raise BadSecret(f'"{key.name}" needs either secret or secret_file')
    text = key.secret.get_secret_value() if key.secret is not None else _read_secret(base / (key.secret_file or ""))
    try:
        secret = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret("this is not base64 - make one with: openssl rand -base64 32") from None
    if not secret:
        raise BadSecret("it is empty - make one with: openssl rand -base64 32")
    return secret


def _read_secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            octets = file.read(SECRET_FILE_OCTETS_MAX + 1)
        text = octets.decode("ascii")
    except OSError as error:
        raise BadSecret(f"{path} cannot be read: {in_words(error)}") from error
    except UnicodeDecodeError:
        raise BadSecret(f"{path} is no text of base64") from None
    if len(octets) > SECRET_FILE_OCTETS_MAX:
        raise BadSecret(f"{path} is too large to be a secret")
    return text


def _tables(draft: Draft) -> Iterator[tuple[str, Sequence[KeyKeys]]]:
    for table, keys in (("authority", draft.content.authority), ("control", draft.content.control)):
        if keys is not None:
            yield table, keys.keys
