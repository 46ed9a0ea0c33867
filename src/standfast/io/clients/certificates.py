"""The certificate that clients are shown: read from its two files, judged, and taken up anew when they change.

A guard runs for longer than a certificate is valid. A new one at the same path is noticed within a minute; one that
cannot be used is told of, and the old one stays.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from standfast.errors import StandfastError
from standfast.io.faults import in_words
from standfast.io.roots import ALPN_HTTPS, ALPN_TLS
from standfast.io.settings.addresses import Scheme
from standfast.io.settings.certificate_files import CertificateFiles

EXPIRY_NOTICE_S: Final = 7 * 86_400  # how long before its end people are told: whoever renews it should have by then
EXPIRY_NOTICE_PART: Final = 1 / 4  # of its whole time, where that is short
NOTICE_AGAIN_S: Final = 86_400
_ALPN: Final = {Scheme.DOT: ALPN_TLS, Scheme.DOH: ALPN_HTTPS}

log = structlog.get_logger("standfast.certificates")


class CertificateError(StandfastError):
    """A certificate cannot be used. Fields: `path`, `reason`."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate, ready to be shown. Times in seconds since the epoch."""

    contexts: Mapping[Scheme, ssl.SSLContext]
    not_before_s: float
    not_after_s: float

    def trouble(self, now_s: float) -> str | None:
        """Say what is wrong with its time, None where nothing is."""
        if now_s >= self.not_after_s:
            return f"expired on {_day(self.not_after_s)} - renew it: clients refuse it"
        if now_s < self.not_before_s:
            return f"is valid only from {_day(self.not_before_s)} on - clients refuse it until then"
        if now_s > self.not_after_s - min(EXPIRY_NOTICE_S, EXPIRY_NOTICE_PART * (self.not_after_s - self.not_before_s)):
            return f"expires on {_day(self.not_after_s)} - renew it"
        return None


def read_certificate(files: CertificateFiles) -> Certificate:
    """Read a certificate and its key.

    Raises:
        CertificateError: one of the files cannot be read or used, or they do not belong together.
    """
    try:
        leaf = x509.load_pem_x509_certificates(_octets(files.certificate))[0]
    except ValueError as error:
        raise CertificateError(files.certificate, "holds no certificate in PEM form") from error
    try:
        key = serialization.load_pem_private_key(_octets(files.key), password=None)
    except TypeError as error:
        raise CertificateError(files.key, "is locked by a password, which nobody is there to give") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(files.key, "holds no private key in PEM form") from error
    if key.public_key() != leaf.public_key():
        raise CertificateError(files.key, f"is not the key of {files.certificate}")
    return Certificate(
        contexts={scheme: _context(files, protocol) for scheme, protocol in _ALPN.items()},
        not_before_s=leaf.not_valid_before_utc.timestamp(),
        not_after_s=leaf.not_valid_after_utc.timestamp(),
    )


class OwnCertificate:
    """The certificate of a running guard: the newest that can be used."""

    def __init__(self, files: CertificateFiles) -> None:
        """Read it.

        Raises:
            CertificateError: it cannot be used.
        """
        self._files = files
        self._seen = _state(files)
        self._told_at_s = 0.0
        self._now = read_certificate(files)

    @property
    def not_after_s(self) -> float:
        """When the one that is shown expires, in seconds since the epoch."""
        return self._now.not_after_s

    def context(self, scheme: Scheme) -> ssl.SSLContext:
        """Return our side of TLS for the next connection."""
        return self._now.contexts[scheme]

    def look(self, now_s: float) -> None:
        """Take up a new one if there is one, and tell once a day what is wrong with its time.

        Args:
            now_s: the wall clock, which is what certificates are valid by, in seconds since the epoch.
        """
        state = _state(self._files)
        if state != self._seen:
            self._seen = state
            self._renew()
        trouble = self._now.trouble(now_s)
        if trouble is not None and now_s - self._told_at_s >= NOTICE_AGAIN_S:
            self._told_at_s = now_s
            log.warning("certificate.time", path=str(self._files.certificate), detail=trouble)

    def _renew(self) -> None:
        try:
            self._now = read_certificate(self._files)
        except CertificateError as error:
            log.warning("certificate.refused", path=str(error.path), detail=error.reason)
            return
        self._told_at_s = 0.0
        log.info("certificate.renewed", path=str(self._files.certificate), expires=_day(self._now.not_after_s))


def _context(files: CertificateFiles, protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 section 3.1.1
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([protocol])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except OSError as error:  # a key that is too weak, or files that changed after they were read above
        reason = error.reason if isinstance(error, ssl.SSLError) else in_words(error)
        raise CertificateError(files.certificate, f"cannot be used: {str(reason).lower().replace('_', ' ')}") from error
    return context


def _no_password() -> str:
    """Stand in for OpenSSL's question on the terminal, which would wait for ever."""
    return ""


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(path, f"cannot be read: {in_words(error)}") from error


def _state(files: CertificateFiles) -> tuple[tuple[int, ...] | None, ...]:
    """Return what changes when one of the files does, be it written anew, replaced or given other rights."""
    return tuple(map(_file_state, (files.certificate, files.key)))


def _file_state(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _day(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d")
