"""Whom we trust by TLS: the system's certificate authorities and those of a file, read once; TLS 1.2 at least."""

import ssl
from pathlib import Path
from typing import Final, TypeVar

Context = TypeVar("Context", bound=ssl.SSLContext)

ALPN_TLS: Final = "dot"  # RFC 7858 section 3.1, registered by IANA
ALPN_HTTPS: Final = "h2"  # RFC 9113 section 3.2


class ResumingContext(ssl.SSLContext):
    """A context whose connections resume the last session of their name.

    A resumed session is not verified again. It was when it began, for a name; so it goes to nobody but who is asked for
    under this very name, and only who holds its keys can go on with it. It ends with the lifetime that the server
    gave it (RFC 8446 section 4.6.1: a week at most).
    """

    def __init__(self, protocol: int) -> None:
        del protocol  # `__new__` has taken it
        super().__init__()
        self._sessions: dict[str, ssl.SSLSession] = {}  # bounded: by the names in the configuration

    def keep(self, name: str, tls: ssl.SSLObject) -> None:
        """Keep the session of a connection that was made for `name`."""
        if tls.session is not None:
            self._sessions[name] = tls.session

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection as asyncio does, which cannot name a session itself."""
        if isinstance(server_hostname, str):
            session = self._sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class Roots:
    """What TLS connections of ours are begun with."""

    def __init__(self, ca_file: Path | None = None) -> None:
        """Read the authorities once.

        Raises:
            OSError: `ca_file` cannot be read (`ssl.SSLError`, a subclass: it holds no certificates).
        """
        self.probes = _trusting(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
        self.probes.options |= ssl.OP_NO_TICKET
        self.blind_probes = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.blind_probes.minimum_version = ssl.TLSVersion.TLSv1_2
        self.blind_probes.options |= ssl.OP_NO_TICKET
        self.blind_probes.check_hostname = False
        self.blind_probes.verify_mode = ssl.CERT_NONE
        self.tls = _trusting(ResumingContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
        self.tls.set_alpn_protocols([ALPN_TLS])
        self.https = _trusting(ResumingContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
        self.https.set_alpn_protocols([ALPN_HTTPS])


def _trusting(context: Context, ca_file: Path | None) -> Context:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 section 2
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
