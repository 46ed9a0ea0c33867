"""Looks who answers at an address: a TLS handshake in a name's name, or only a TCP connection. Reports; judges nothing.

Nothing is sent after the handshake, and no session is ever resumed: every look is a new one. Which addresses may be
looked at is for `evidence.aim`.
"""

import asyncio
import socket
import ssl
import time
from typing import Final

from cryptography import x509

from standfast.dns.model import Name
from standfast.evidence.model import Identity, ProbeResult, ProbeSpec
from standfast.io.faults import in_words, is_local
from standfast.io.roots import Roots
from standfast.io.settings.addresses import is_host_name

NAMES_TOLD_MAX: Final = 3  # names of somebody else's certificate that are told; it may have hundreds
NAME_TOLD_MAX: Final = 64  # letters of each

# Alerts and errors that mean "not in a way that you speak", which somebody who is well might say too.
_NO_COMMON_WAY: Final = frozenset(
    {"TLSV1_ALERT_PROTOCOL_VERSION", "TLSV1_ALERT_INSUFFICIENT_SECURITY", "UNSUPPORTED_PROTOCOL"}
)
_CLOSED: Final = "the connection was closed in the handshake"
_HOSTNAME_MISMATCH: Final = 62  # X509_V_ERR_HOSTNAME_MISMATCH (openssl/x509_vfy.h)


async def probe(qname: Name, address: str, spec: ProbeSpec, timeout_s: float, roots: Roots) -> ProbeResult:
    """Look who answers for `qname` at `address`, within `timeout_s` seconds.

    Raises:
        Nothing but `asyncio.CancelledError`.
    """
    host_name = qname.removesuffix(".")
    if spec.kind == "none":
        return _result(address, Identity.UNKNOWN, "no probe is set for this name")
    if spec.kind == "tls" and not is_host_name(host_name):
        return _result(address, Identity.UNKNOWN, f'"{host_name}" is no host name, so no certificate can be for it')
    look = _Look(host_name, address, spec.port, roots)
    try:
        async with asyncio.timeout(timeout_s):
            return await (look.tls() if spec.kind == "tls" else look.tcp())
    except TimeoutError:
        return look.late()


class _Look:
    """One look at one address."""

    def __init__(self, host_name: str, address: str, port: int, roots: Roots) -> None:
        self._host_name = host_name
        self._address = address
        self._port = port
        self._roots = roots
        self._reachable = False
        self._fault: ssl.SSLCertVerificationError | None = None

    async def tcp(self) -> ProbeResult:
        """Connect, and no more."""
        try:
            (await self._connect()).close()
        except OSError as error:
            return self._unreachable(error)
        return self._result(Identity.UNKNOWN, "something accepts connections; nothing proves who")

    async def tls(self) -> ProbeResult:
        """Shake hands as an honest client would; where that fails for the certificate, look whose it is."""
        try:
            await self._leaf(self._roots.probes)
        except ssl.SSLCertVerificationError as error:
            return await self._whose(error)
        except OSError as error:
            return self._unreachable(error)
        return self._result(Identity.PROVEN, f"a valid certificate for {self._host_name}")

    def late(self) -> ProbeResult:
        """Return what is known when the time is over."""
        if self._fault is not None:
            return self._unverified(self._fault)
        return self._result(Identity.ABSENT, "no answer in time")

    async def _whose(self, fault: ssl.SSLCertVerificationError) -> ProbeResult:
        """Say whose the certificate is that could not be verified; it takes a handshake that trusts anybody."""
        self._fault = fault
        try:
            names = _names(await self._leaf(self._roots.blind_probes))
        except (OSError, ValueError):
            return self._unverified(fault)
        if not names or any(_matches(name, self._host_name) for name in names):
            return self._result(Identity.UNKNOWN, fault.verify_message)
        told = ", ".join(name[:NAME_TOLD_MAX] for name in names[:NAMES_TOLD_MAX])
        return self._result(Identity.CONTRADICTED, f"a certificate for {told}")

    def _unverified(self, fault: ssl.SSLCertVerificationError) -> ProbeResult:
        """Judge by the first handshake alone: only a trusted chain for another name is surely somebody else's."""
        somebody_elses = fault.verify_code == _HOSTNAME_MISMATCH
        return self._result(Identity.CONTRADICTED if somebody_elses else Identity.UNKNOWN, fault.verify_message)

    def _unreachable(self, error: OSError) -> ProbeResult:
        if isinstance(error, ssl.SSLError):
            reason = error.reason or _CLOSED
            identity = Identity.UNKNOWN if reason in _NO_COMMON_WAY else Identity.ABSENT
            return self._result(identity, reason.lower().replace("_", " "))
        if is_local(error):
            return self._result(Identity.UNKNOWN, f"not askable from here: {in_words(error)}")
        # asyncio tells of an end within the handshake by an error without a number.
        return self._result(Identity.ABSENT, in_words(error) if error.errno else _CLOSED)

    async def _connect(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await asyncio.get_running_loop().sock_connect(opened, (self._address, self._port))
        except BaseException:
            opened.close()
            raise
        self._reachable = True
        return opened

    async def _leaf(self, context: ssl.SSLContext) -> bytes:
        """Shake hands and return the certificate (DER) that was shown."""
        opened = await self._connect()
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, sock=opened, ssl=context, server_hostname=self._host_name
        )
        try:
            shown: ssl.SSLObject = transport.get_extra_info("ssl_object")
            return shown.getpeercert(binary_form=True) or b""
        finally:
            transport.abort()  # `close` would send a closing alert and wait

    def _result(self, identity: Identity, detail: str) -> ProbeResult:
        return _result(self._address, identity, detail, reachable=self._reachable)


def _result(address: str, identity: Identity, detail: str, *, reachable: bool = False) -> ProbeResult:
    return ProbeResult(address=address, identity=identity, at_s=time.time(), reachable=reachable, detail=detail)


def _names(leaf: bytes) -> list[str]:
    """Return the host names that a certificate (DER) is for; its common names where it has no others.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        cert = x509.load_der_x509_certificate(leaf)
        found = _alternative_names(cert)
        common = [] if found else cert.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    except Exception as error:  # cryptography raises whatever hostile octets make it raise, TypeError among it
        raise ValueError(str(error)) from error
    return found or [attribute.value for attribute in common if isinstance(attribute.value, str)]


def _alternative_names(cert: x509.Certificate) -> list[str]:
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _matches(presented: str, host_name: str) -> bool:
    """Say whether a name in a certificate is for `host_name`; `*` stands for one whole first label (RFC 9525)."""
    presented = presented.lower().removesuffix(".")
    if not presented.startswith("*."):
        return presented == host_name
    first, dot, rest = host_name.partition(".")
    return bool(first and dot) and rest == presented[2:]
