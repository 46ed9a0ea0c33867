"""The certificate that clients are shown: what is refused, and how a new one is taken up."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from standfast.drills.live.authority import Certificate, ThrowawayAuthority
from standfast.io.clients.certificates import (
    NOTICE_AGAIN_S,
    CertificateError,
    OwnCertificate,
    read_certificate,
)
from standfast.io.settings.addresses import Scheme
from standfast.io.settings.certificate_files import CertificateFiles

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayAuthority:
    return ThrowawayAuthority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def files(tmp_path: Path, authority: ThrowawayAuthority) -> CertificateFiles:
    return install(tmp_path, authority.issue(["ns.example.org"]))


def install(folder: Path, certificate: Certificate) -> CertificateFiles:
    """Put `certificate` where a guard reads its own."""
    found = CertificateFiles(certificate=folder / "fullchain.pem", key=folder / "privkey.pem")
    for source, target in ((certificate.cert_file, found.certificate), (certificate.key_file, found.key)):
        shutil.copy(source, target.with_suffix(".new"))
        target.with_suffix(".new").replace(target)
    return found


def lock(path: Path) -> None:
    """Lock the key at `path` by a password."""
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


# What is refused, and in which words.


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda files: files.certificate.unlink(), "fullchain.pem cannot be read: no such file or directory"),
        (lambda files: files.certificate.write_text("x"), "fullchain.pem holds no certificate in PEM form"),
        (lambda files: files.certificate.write_bytes(files.key.read_bytes()), "fullchain.pem holds no certificate in"),
        (lambda files: files.key.unlink(), "privkey.pem cannot be read: no such file or directory"),
        (lambda files: files.key.write_text("x"), "privkey.pem holds no private key in PEM form"),
        (lambda files: files.key.write_bytes(files.certificate.read_bytes()), "privkey.pem holds no private key in"),
        (lambda files: lock(files.key), "privkey.pem is locked by a password, which nobody is there to give"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_words(
    files: CertificateFiles, spoil: Callable[[CertificateFiles], object], told: str
) -> None:
    spoil(files)
    with pytest.raises(CertificateError) as caught:
        read_certificate(files)
    assert told in str(caught.value)


def test_another_certificates_key_is_refused(files: CertificateFiles, authority: ThrowawayAuthority) -> None:
    files.key.write_bytes(authority.issue(["ns.example.org"]).key_file.read_bytes())
    with pytest.raises(CertificateError, match=r"privkey\.pem is not the key of .*fullchain\.pem"):
        read_certificate(files)


@pytest.mark.parametrize(
    ("not_before", "not_after", "told"),
    [
        (NOW - timedelta(days=9), NOW - timedelta(days=1), "expired on"),
        (NOW - timedelta(days=60), NOW + timedelta(days=6), "expires on"),
        (NOW - timedelta(days=60), NOW + timedelta(days=8), None),
        (NOW - timedelta(days=5), NOW + timedelta(days=1), "expires on"),
        (NOW - timedelta(days=4), NOW + timedelta(days=2), None),
        (NOW + timedelta(days=1), NOW + timedelta(days=90), "is valid only from"),
    ],
)
def test_what_is_wrong_with_its_time_is_told(
    tmp_path: Path, authority: ThrowawayAuthority, not_before: datetime, not_after: datetime, told: str | None
) -> None:
    issued = authority.issue(["ns.example.org"], not_before=not_before, not_after=not_after)
    trouble = read_certificate(install(tmp_path, issued)).trouble(NOW.timestamp())
    assert (trouble or "").startswith(told or "")
    assert (trouble is None) is (told is None)


# How a new one is taken up.


def test_a_new_certificate_is_shown_from_the_next_look_on(
    files: CertificateFiles, authority: ThrowawayAuthority
) -> None:
    own = OwnCertificate(files)
    before = own.context(Scheme.DOT)
    own.look(NOW.timestamp())
    assert own.context(Scheme.DOT) is before
    install(files.key.parent, authority.issue(["ns.example.org"], not_after=NOW + timedelta(days=90)))
    with capture_logs() as logs:
        own.look(NOW.timestamp())
    assert own.context(Scheme.DOT) is not before
    assert own.not_after_s == pytest.approx((NOW + timedelta(days=90)).timestamp(), abs=1)
    assert [each["event"] for each in logs] == ["certificate.renewed"]


def test_a_new_one_that_cannot_be_used_keeps_the_old_one_and_is_told_of_once(files: CertificateFiles) -> None:
    own = OwnCertificate(files)
    before = own.context(Scheme.DOH)
    files.key.write_text("half of a k")
    with capture_logs() as logs:
        for _ in range(3):
            own.look(NOW.timestamp())
    assert own.context(Scheme.DOH) is before
    told = [each for each in logs if each["event"] == "certificate.refused"]
    assert [each["detail"] for each in told] == ["holds no private key in PEM form"]


def test_a_pair_that_was_half_there_is_taken_up_when_it_is_whole(
    files: CertificateFiles, authority: ThrowawayAuthority
) -> None:
    own, new = OwnCertificate(files), authority.issue(["ns.example.org"])
    before = own.context(Scheme.DOT)
    shutil.copy(new.cert_file, files.certificate)
    own.look(NOW.timestamp())
    assert own.context(Scheme.DOT) is before
    shutil.copy(new.key_file, files.key)
    own.look(NOW.timestamp())
    assert own.context(Scheme.DOT) is not before


def test_its_end_is_told_of_once_a_day(tmp_path: Path, authority: ThrowawayAuthority) -> None:
    begun, over = NOW - timedelta(days=60), NOW + timedelta(days=1)
    own = OwnCertificate(install(tmp_path, authority.issue(["a.example"], not_before=begun, not_after=over)))
    with capture_logs() as logs:
        for after_s in (0.0, 60.0, NOTICE_AGAIN_S - 1, NOTICE_AGAIN_S, NOTICE_AGAIN_S + 60):
            own.look(NOW.timestamp() + after_s)
    assert [each["detail"].split()[0] for each in logs] == ["expires", "expired"]
