"""The keys of signed zones on the disk: one PEM file for each (PKCS #8, mode 0600), and for each zone a ring.

The ring says which keys a zone has and what has become of each. Whoever changes it holds the lock of the folder, so
that the running server and the command line do not overwrite each other. Keys are made in one place only, `make`; a
zone that had keys never gets others because its files are gone: its parent may still vouch for those.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from standfast.authority.keyroll import KeyId, KeyRing, KeyState
from standfast.authority.keys import ED25519, Key, LocalSigner, PrivateKey, Role
from standfast.dns.model import Name
from standfast.errors import StandfastError
from standfast.io.faults import in_words
from standfast.io.whole_files import write_whole

FOLDER: Final = "keys"  # in the state directory
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
TAGS_TRIED_MAX: Final = 16  # to get a key of a tag that the zone has not; one of 65,536 is taken

_LOCK: Final = ".lock"
_OTHERS: Final = 0o077
_BACKUP: Final = "Bring it back from a backup."


class KeyFileError(StandfastError):
    """A key, or what is noted of it, that cannot be used. Fields: `path`, `reason`, `next_step`."""

    def __init__(self, path: Path, reason: str, next_step: str) -> None:
        super().__init__(f"{path} {reason}. {next_step}")
        self.path = path
        self.reason = reason
        self.next_step = next_step


class KeyFiles:
    """The keys of all zones, in one folder."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet; the folder is made when the first key is."""
        self.folder = folder

    def ring(self, origin: Name) -> KeyRing | None:
        """Return the ring of a zone; None where it has none.

        Raises:
            KeyFileError: it cannot be read, or is gone while keys of the zone are there.
        """
        path = self.ring_path(origin)
        try:
            return _ring_from(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            if stray := sorted(self.folder.glob(f"{_stem(origin)}+*.pem")):
                step = f"{_BACKUP} If the zone is to get new keys, take {stray[0].name} away too."
                raise KeyFileError(path, f"is gone, and {stray[0].name} is there", step) from None
            return None
        except OSError as error:
            raise KeyFileError(path, f"cannot be read: {in_words(error)}", "See who it belongs to.") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise KeyFileError(path, "says nothing of keys, or half of it", _BACKUP) from error

    def save(self, origin: Name, ring: KeyRing) -> None:
        """Keep `ring`, whole or not at all.

        Raises:
            KeyFileError: it cannot be written.
        """
        document = {**asdict(ring), "zone": origin}
        self._write(self.ring_path(origin), json.dumps(document, indent=1).encode() + b"\n")

    def keys(self, origin: Name, ring: KeyRing) -> Mapping[KeyId, Key]:
        """Return the keys of `ring`.

        Raises:
            KeyFileError: one is not there, can be read by others, or is not the key that it should be.
        """
        return {state.id: self._key(origin, state) for state in ring.keys}

    def make(self, origin: Name, role: Role, algorithm: int, taken: frozenset[KeyId] = frozenset()) -> Key:
        """Make a key, with randomness of the system, and keep it; its tag is none of those `taken`.

        Raises:
            KeyFileError: it cannot be written.
        """
        for _ in range(TAGS_TRIED_MAX):
            private = Ed25519PrivateKey.generate() if algorithm == ED25519 else generate_private_key(SECP256R1())
            key = Key(LocalSigner(private), role)
            if key.tag not in taken:
                break
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._write(self.key_path(origin, key.tag), pem)
        return key

    def discard(self, origin: Name, id_: KeyId) -> None:
        """Take a key away that nothing depends on any more."""
        self.key_path(origin, id_).unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Have the folder alone: for reading a ring and keeping what becomes of it.

        Raises:
            KeyFileError: the folder cannot be made or written.
        """
        lock = self._open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def ring_path(self, origin: Name) -> Path:
        """Return where the ring of a zone lies."""
        return self.folder / f"{_stem(origin)}.json"

    def key_path(self, origin: Name, id_: KeyId) -> Path:
        """Return where a key lies."""
        return self.folder / f"{_stem(origin)}+{id_:05}.pem"

    def _open_lock(self) -> int:
        try:
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            return os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            step = "Set state_dir in [authority] to a directory that this user may write to."
            raise KeyFileError(self.folder, f"cannot be written: {in_words(error)}", step) from error

    def _key(self, origin: Name, state: KeyState) -> Key:
        path = self.key_path(origin, state.id)
        key = Key(LocalSigner(read_private(path)), state.role)
        if key.tag != state.id:
            raise KeyFileError(path, f"holds the key {key.tag}, and not {state.id}", _BACKUP)
        return key

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file so that it is there whole, on the disk, under its name, or not at all."""
        try:
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            write_whole(path, content, mode=FILE_MODE)
        except OSError as error:
            raise KeyFileError(
                path, f"cannot be written: {in_words(error)}", "See who the folder belongs to."
            ) from error


def read_private(path: Path) -> PrivateKey:
    """Return the private key in the PEM file at `path`.

    Raises:
        KeyFileError: it is not there, can be read by others, or holds no key that can sign zones.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read()
    except FileNotFoundError:
        raise KeyFileError(path, "is not there, and the zone is signed by it", _LOST) from None
    except OSError as error:
        raise KeyFileError(path, f"cannot be read: {in_words(error)}", "See who it belongs to.") from error
    if mode & _OTHERS:
        raise KeyFileError(path, f"can be read by others (mode {mode & 0o777:o})", f"Run chmod 600 {path}.")
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(path, "holds no private key, or half of one", _BACKUP) from error
    if not isinstance(private, EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise KeyFileError(path, "holds a key that cannot sign zones", "P-256 and Ed25519 can.")
    if isinstance(private, EllipticCurvePrivateKey) and not isinstance(private.curve, SECP256R1):
        raise KeyFileError(path, f"holds a key of the curve {private.curve.name}", "P-256 and Ed25519 can sign zones.")
    return private


_LOST: Final = (
    f"{_BACKUP} If there is none: have the parent take the DS away, wait until its TTL is over, serve the zone "
    "with sign = false, remove its files from this folder, and sign it again: new keys are made"
)


def _stem(origin: Name) -> str:
    return quote(origin, safe="")


def _ring_from(document: Any) -> KeyRing:
    fields = {name: value for name, value in document.items() if name not in ("zone", "keys")}
    return KeyRing(keys=tuple(KeyState(**each) for each in document["keys"]), **fields)
