"""A throw-away certificate authority: certificates for the drill's names that nothing else trusts.

Shaped so that the strictest verifier takes them (RFC 5280; OpenSSL's `X509_V_FLAG_X509_STRICT`, which Python
sets by default from 3.13), so that a refused one is refused for the one fault it was issued with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW = timedelta(hours=1)  # valid this long before it is issued, as public authorities do
LIFETIME = timedelta(days=1)  # longer than any drill; short, because the keys lie in a temporary folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A leaf certificate with its key, as PEM files that `ssl.SSLContext.load_cert_chain` takes."""

    names: tuple[str, ...]
    cert_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowawayAuthority:
    """A certificate authority that lives in one folder; `ca_file` is what its clients must trust."""

    folder: Path
    ca_file: Path
    _key: ec.EllipticCurvePrivateKey
    _cert: x509.Certificate

    @classmethod
    def create(cls, folder: Path, *, name: str = "Standfast drill, not to be trusted") -> Self:
        """Make a new authority with a new key and write its certificate to `folder`/ca.pem.

        Two authorities need two folders.
        """
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        cert = (
            x509.CertificateBuilder(subject_name=subject, issuer_name=subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(ca=True), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(_issuer_identifier(identifier), critical=False)
            .sign(key, hashes.SHA256())
        )
        ca_file = folder / "ca.pem"
        ca_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        return cls(folder=folder, ca_file=ca_file, _key=key, _cert=cert)

    def issue(
        self,
        names: Sequence[str],
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        has_subject: bool = True,
    ) -> Certificate:
        """Issue a certificate for host names or addresses.

        Args:
            names: at least one host name in ASCII, without a final dot, whose first label may be a wildcard; or
                an IP address.
            not_before: start of validity, aware; an hour ago by default. In the future: not yet valid.
            not_after: end of validity, aware; a day from now by default. In the past: expired.
            has_subject: False leaves the common name out, which some servers will not have of clients.
        """
        identifier = self._cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return _write_leaf(
            self.folder,
            names=names,
            not_before=not_before,
            not_after=not_after,
            has_subject=has_subject,
            issuer=_Issuer(name=self._cert.subject, key=self._key, identifier=identifier),
        )


def issue_self_signed(folder: Path, names: Sequence[str]) -> Certificate:
    """Make a certificate for `names` that no authority signed, as anybody can who has an address."""
    folder.mkdir(parents=True, exist_ok=True)
    return _write_leaf(folder, names=names, not_before=None, not_after=None, has_subject=True, issuer=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issuer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    identifier: x509.SubjectKeyIdentifier


def _write_leaf(
    folder: Path,
    *,
    names: Sequence[str],
    not_before: datetime | None,
    not_after: datetime | None,
    has_subject: bool,
    issuer: _Issuer | None,
) -> Certificate:
    if not names:
        raise ValueError("a certificate needs at least one name")
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signer = issuer or _Issuer(name=_subject(names[0]), key=key, identifier=identifier)
    subject = _subject(names[0]) if has_subject else x509.Name([])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    serial = x509.random_serial_number()
    cert = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=signer.name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(not_before or now - CLOCK_SKEW)
        .not_valid_after(not_after or now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(  # critical where it alone says whose it is (RFC 5280 section 4.2.1.6)
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=not has_subject
        )
        .add_extension(identifier, critical=False)
        .add_extension(_issuer_identifier(signer.identifier), critical=False)
        .sign(signer.key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{serial:x}.pem", folder / f"{serial:x}.key"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Certificate(names=tuple(names), cert_file=cert_file, key_file=key_file)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(text: str) -> x509.Name:
    # A common name holds 64 characters at most (RFC 5280 appendix A.1); the names that count are in the SAN.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _issuer_identifier(identifier: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
