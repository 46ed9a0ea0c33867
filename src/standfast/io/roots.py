"""Whom we trust by TLS: the system's certificate authorities and those of a file, read once; TLS 1.2 at least."""

import ssl
import time
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

Context = TypeVar("Context", bound=ssl.SSLContext)

ALPN_TLS: Final = "dot"  # IANA's registry of protocol IDs, for RFC 7858
ALPN_HTTPS: Final = "h2"  # RFC 9113 section 3.2
VERIFIED_S: Final = 3600.0  # how long a certificate is trusted by sessions that go back to it; it may have expired


class ResumingContext(ssl.SSLContext):
    """A context whose connections resume the last session of their name.

    OpenSSL verifies nothing when it resumes, neither name nor dates. So a session goes to nobody but who is asked for
    under the very name that it was verified for, and after `VERIFIED_S` the certificate is looked at again, however
    often the session was renewed since.
    """

    def __init__(self, protocol: int) -> None:
        del protocol  # `__new__` has taken it
        super().__init__()
        # By name, with when its certificate was verified. Bounded by the names in the configuration.
        self._sessions: dict[str, tuple[ssl.SSLSession, float]] = {}
        self._verified_at_s: WeakKeyDictionary[ssl.SSLObject, float] = WeakKeyDictionary()

    def keep(self, name: str, tls: ssl.SSLObject) -> None:
        """Keep the session of a connection that was made for `name` with this context."""
        if tls.session is not None:
            self._sessions[name] = tls.session, self._verified_at_s[tls]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection as asyncio does, which cannot name a session itself."""
        verified_at_s = now_s = time.monotonic()
        if isinstance(server_hostname, str) and server_hostname in self._sessions:
            kept, kept_verified_at_s = self._sessions[server_hostname]
            if now_s < kept_verified_at_s + VERIFIED_S:
                session, verified_at_s = kept, kept_verified_at_s
        tls = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        self._verified_at_s[tls] = verified_at_s
        return tls


class Roots:
    """What TLS connections of ours are begun with."""

    def __init__(self, ca_file: Path | None = None) -> None:
        """Read the authorities once.

        Raises:
            OSError: `ca_file` cannot be read (`ssl.SSLError`, a subclass: it holds no certificates).
        """
        self.probes = roots_of_probes(ca_file)
        self.blind_probes = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.blind_probes.minimum_version = ssl.TLSVersion.TLSv1_2
        self.blind_probes.options |= ssl.OP_NO_TICKET
        self.blind_probes.check_hostname = False
        self.blind_probes.verify_mode = ssl.CERT_NONE
        self.tls = _trusting(ResumingContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
        self.tls.set_alpn_protocols([ALPN_TLS])
        self.https = _trusting(ResumingContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
        self.https.set_alpn_protocols([ALPN_HTTPS])


def roots_of_probes(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return what a connection that proves who answers is begun with; it resumes none, so that each proves anew.

    Raises:
        OSError: as `Roots` does.
    """
    context = _trusting(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
    context.options |= ssl.OP_NO_TICKET
    return context


def _trusting(context: Context, ca_file: Path | None) -> Context:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 section 2
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
