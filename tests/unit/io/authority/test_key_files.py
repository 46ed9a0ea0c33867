"""Keys on the disk: kept whole, private, and never made anew because they are lost."""

from pathlib import Path

import pytest

from standfast.authority.keyroll import KeyRing, first
from standfast.authority.keys import ECDSAP256SHA256, ED25519, Key
from standfast.io.authority.key_files import KeyFileError, KeyFiles

ZONE = "a\\/b.example.org."


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    return KeyFiles(tmp_path / "state" / "keys")


def made(files: KeyFiles) -> tuple[KeyRing, Key]:
    key = files.make(ZONE, "csk", ED25519)
    ring = first({key.tag: "csk"}).with_ttls(300, 3_600)
    files.save(ZONE, ring)
    return ring, key


@pytest.mark.parametrize("algorithm", [ECDSAP256SHA256, ED25519])
def test_a_key_is_read_as_it_was_made(files: KeyFiles, algorithm: int) -> None:
    key = files.make(ZONE, "csk", algorithm)
    ring = first({key.tag: "csk"})
    files.save(ZONE, ring)
    assert files.ring(ZONE) == ring
    assert files.keys(ZONE, ring)[key.tag].dnskey == key.dnskey
    assert key.signer.algorithm == algorithm


def test_keys_are_for_their_owner_alone(files: KeyFiles) -> None:
    _, key = made(files)
    assert files.key_path(ZONE, key.tag).stat().st_mode & 0o777 == 0o600
    assert files.folder.stat().st_mode & 0o777 == 0o700
    assert not [path for path in files.folder.iterdir() if path.name.endswith(".new")]


def test_a_key_that_others_can_read_is_not_used(files: KeyFiles) -> None:
    ring, key = made(files)
    path = files.key_path(ZONE, key.tag)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match=r"can be read by others \(mode 644\)\. Run chmod 600"):
        files.keys(ZONE, ring)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ"])
def test_a_key_that_is_half_written_is_told(files: KeyFiles, content: bytes) -> None:
    ring, key = made(files)
    files.key_path(ZONE, key.tag).write_bytes(content)
    with pytest.raises(KeyFileError, match=r"holds no private key, or half of one\. Bring it back from a backup"):
        files.keys(ZONE, ring)


def test_another_key_under_the_name_of_one_is_told(files: KeyFiles) -> None:
    ring, key = made(files)
    other = files.make(ZONE, "csk", ED25519, frozenset({key.tag}))
    files.key_path(ZONE, other.tag).replace(files.key_path(ZONE, key.tag))
    with pytest.raises(KeyFileError, match=f"holds the key {other.tag}, and not {key.tag}"):
        files.keys(ZONE, ring)


def test_a_lost_key_is_not_made_anew_and_it_is_said_what_to_do(files: KeyFiles) -> None:
    ring, key = made(files)
    files.key_path(ZONE, key.tag).unlink()
    with pytest.raises(KeyFileError, match="have the parent take the DS away, wait until its TTL is over"):
        files.keys(ZONE, ring)


def test_a_lost_ring_is_told_where_keys_are_there(files: KeyFiles) -> None:
    assert files.ring(ZONE) is None
    made(files)
    files.ring_path(ZONE).unlink()
    with pytest.raises(KeyFileError, match=r"is gone, and .* is there"):
        files.ring(ZONE)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": [{"id": 1}]}'])
def test_a_ring_that_is_half_written_is_told(files: KeyFiles, content: str) -> None:
    made(files)
    files.ring_path(ZONE).write_text(content)
    with pytest.raises(KeyFileError, match="says nothing of keys, or half of it"):
        files.ring(ZONE)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    files = KeyFiles(tmp_path / "keys")
    with pytest.raises(KeyFileError, match="cannot be written: file exists"), files.locked():
        pass
    with pytest.raises(KeyFileError, match="cannot be written"):
        files.make(ZONE, "csk", ED25519)


def test_two_have_the_folder_one_after_the_other(files: KeyFiles) -> None:
    import threading

    order: list[str] = []
    entered = threading.Event()

    def other() -> None:
        entered.set()
        with files.locked():
            order.append("other")

    thread = threading.Thread(target=other)
    with files.locked():
        thread.start()
        entered.wait()
        order.append("this")
    thread.join()
    assert order == ["this", "other"]
