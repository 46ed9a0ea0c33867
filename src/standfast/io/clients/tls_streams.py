"""TLS over accepted connections: to the kernel's side a protocol, to the connection above a transport. Knows no DNS.

The handshake is where a stranger costs most, before anything is known of him. So who connects is judged before it,
and only so many are under way, each for so long. asyncio's own TLS judges nobody, and takes 256 KiB a connection.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from standfast.io.clients.batch import packed_address
from standfast.io.clients.limits import Gate, Seats

HANDSHAKES_MAX: Final = 128  # under way; those that are ready at once keep the event loop from all others
CLIENT_HANDSHAKES_MAX: Final = 32  # of one client: as many as it may have connections
HANDSHAKE_S: Final = 5.0  # three round trips of a slow network, and a loss; whoever is silent for longer is gone
_READ_OCTETS: Final = 1 << 14  # as much as a TLS record holds: what one connection may bring before others have a turn

OwnContext = Callable[[], ssl.SSLContext]  # asked for each connection, as certificates are renewed


class Handshakes:
    """The handshakes of one listener. `make` makes what is above, when one is done."""

    def __init__(
        self,
        own_context: OwnContext,
        make: Callable[[], asyncio.Protocol],
        *,
        gate: Gate | None,
    ) -> None:
        self.own_context = own_context
        self.make = make
        self.failed = 0  # not done, for whatever reason
        self.read_buffer = memoryview(bytearray(_READ_OCTETS))  # one for all: what is in it is taken out at once
        self._gate = gate
        self._seats = Seats["TlsStream"](HANDSHAKES_MAX, CLIENT_HANDSHAKES_MAX)

    def admit(self, stream: "TlsStream") -> bool:
        """Say whether `stream` may shake hands, if need be in place of the one under way for longest."""
        if self._gate is not None and not self._gate.admit_connection(stream.address):
            return False
        return self._seats.take(stream)

    def leave(self, stream: "TlsStream", *, failed: bool) -> None:
        """Take out `stream`, whose handshake is over."""
        self._seats.leave(stream)
        self.failed += failed

    def stop(self) -> None:
        """End what is under way."""
        self._seats.clear()


class TlsStream(asyncio.BufferedProtocol, asyncio.Transport):
    """One connection, the server's side."""

    is_idle = True  # a handshake: nothing is owed to who has said nothing yet

    def __init__(self, handshakes: Handshakes) -> None:
        super().__init__()
        self._handshakes = handshakes
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = handshakes.own_context().wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._above: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._under_way = False
        self._ended = False  # the client has closed its side
        self._owed = False  # and is still to be sent something
        self._below: asyncio.Transport
        self.address = b""  # of the client, in octets
        self.active_at_s = self._loop.time()

    # What the event loop calls --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._below = transport
        peer = transport.get_extra_info("peername")  # None where it is gone already
        if peer is None:
            transport.abort()
            return
        self.address = packed_address(peer[0])
        if self._handshakes.admit(self):
            self._under_way = True
            self._timer = self._loop.call_later(HANDSHAKE_S, self.abort)
        else:
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's signature
        return self._handshakes.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._incoming.write(self._handshakes.read_buffer[:nbytes])
        if self._under_way:
            self._shake_hands()
        if self._above is not None:
            self._read(self._above)

    def eof_received(self) -> bool:
        return self._end()

    def pause_writing(self) -> None:
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        if self._above is not None:
            self._above.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave(failed=True)
        if self._above is not None:
            self._above.connection_lost(exc)

    # What the connection above calls --------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closing():
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]  # a record at a time
        except ssl.SSLError:
            self.abort()
            return
        self._flush()

    def close(self) -> None:
        if self.is_closing():
            return
        with suppress(ssl.SSLError):  # it would wait for the client's farewell; we do not
            self._tls.unwrap()
        self._flush()
        self._below.close()

    def abort(self) -> None:
        self._below.abort()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._below.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls if name == "ssl_object" else self._below.get_extra_info(name, default)

    # What we do -----------------------------------------------------------------------------------------------

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError:
            self._flush()  # an alert, that says why
            self._leave(failed=True)
            self._below.close()
            return
        self._flush()
        self._leave(failed=False)
        self._above = self._handshakes.make()
        self._above.connection_made(self)

    def _leave(self, *, failed: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._under_way:
            self._under_way = False
            self._handshakes.leave(self, failed=failed)

    def _read(self, above: asyncio.Protocol) -> None:
        while not self.is_closing():
            try:
                data = self._tls.read(_READ_OCTETS)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError:
                self.abort()
                return
            if not data:
                if not self._end():
                    self.close()
                return
            above.data_received(data)
        self._flush()  # what TLS itself answers

    def _end(self) -> bool:
        """Tell that no more comes; return whether there is still something to be sent."""
        if self._above is None:
            return False
        if not self._ended:
            self._ended = True
            self._owed = bool(self._above.eof_received())
        return self._owed

    def _flush(self) -> None:
        if self._outgoing.pending and not self._below.is_closing():
            self._below.write(self._outgoing.read())
