"""Listens for clients that come encrypted: DNS over TLS (RFC 7858) and DNS over HTTPS (RFC 8484), by TCP alone."""

import socket
from dataclasses import replace
from functools import partial

from standfast.dns.servers import Server
from standfast.io.clients.batch import packed_address
from standfast.io.clients.certificates import OwnCertificate
from standfast.io.clients.client import OnQuery
from standfast.io.clients.connections import Connection, Connections, FramedConnection
from standfast.io.clients.datagrams import NO_FAST_PATH, FastPath
from standfast.io.clients.http2 import HttpConnection
from standfast.io.clients.limits import Gate, is_loopback
from standfast.io.clients.listener import ListenError, advice, bind
from standfast.io.settings.addresses import ListenAddress, Scheme


class EncryptedListener:
    """One address and port; `bound` says where, and what is spoken there."""

    def __init__(
        self,
        address: ListenAddress,
        on_query: OnQuery,
        certificate: OwnCertificate,
        *,
        gate: Gate | None = None,
        fast: FastPath = NO_FAST_PATH,
    ) -> None:
        """Make a listener. `gate` says who is served; it is not asked at a loopback address.

        `fast` is what is prepared for TLS; what goes by HTTPS is not.
        """
        self.bound = address
        self.connections = Connections(
            on_query,
            make=self._connection,
            own_context=partial(certificate.context, address.scheme),
            gate=None if is_loopback(packed_address(address.server.host)) else gate,
            fast=fast,
        )

    def _connection(self, connections: Connections) -> Connection:
        if self.bound.scheme is Scheme.DOH:
            return HttpConnection(connections, self.bound.path)
        return FramedConnection(connections)

    async def start(self) -> None:
        """Bind and listen; `bound` then has the port, also when any was asked for (port 0).

        Raises:
            ListenError: the address is not this machine's, the port is taken, or not for us.
        """
        wanted = self.bound.server
        try:
            opened = bind(wanted, socket.SOCK_STREAM)
        except OSError as error:
            raise ListenError(wanted, advice(error, wanted)) from error
        self.bound = replace(self.bound, server=Server(wanted.host, opened.getsockname()[1]))
        await self.connections.start(opened)

    def stop(self) -> None:
        """Close every socket; replies that come later are dropped."""
        self.connections.stop()
