"""DNS over HTTPS (RFC 8484): each query is a stream of one HTTP/2 connection (RFC 9113). No socket, no clock."""

from dataclasses import dataclass, field, replace
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from standfast.dns.codec import MESSAGE_MAX, decode_incoming, encode_outbound
from standfast.dns.exchange import Heard, NotOurs, Outbound
from standfast.guard.cache import aged
from standfast.io.clients.doh import MEDIA_TYPE
from standfast.io.upstreams.messages import Answer, NotAnswered

STREAMS_MAX: Final = 100  # at once; servers should take as many (RFC 9113 section 6.5.2), and say later if they do not
QUERIES_MAX: Final = 1_000_000  # on one connection, which then makes room for a new one; IDs of streams end at 2**30
HEADERS_MAX: Final = 1 << 14  # octets of the header fields of one response
UNREAD_MAX: Final = 1 << 20  # octets that make no event: h2 gathers 64 frames of 16 KiB, and frames of any length
_WORD_MAX: Final = 40  # characters of what a server says that are repeated to an operator


@dataclass(slots=True)
class _Stream:
    """A query under way, and what has come of its response."""

    query: Outbound
    body: bytearray = field(default_factory=bytearray)
    age_s: int = 0
    failure: str = ""


class HttpsPipeline:
    """Queries as POST requests, with ID 0 (RFC 8484 section 4.1)."""

    def __init__(self, authority: str, path: str) -> None:
        self.ended: str | None = None
        self._fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", authority),
            (":path", path),
            ("accept", MEDIA_TYPE),
            ("content-type", MEDIA_TYPE),
        ]
        self._path = path
        # What goes out are the fields above: to have them looked at for every query costs a fifth of its time.
        self._h2 = H2Connection(
            H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self._h2.local_settings = Settings(
            client=True, initial_values={SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS_MAX}
        )
        self._h2.initiate_connection()
        self._under_way: dict[int, _Stream] = {}  # by stream; what nobody waits for stays until it is answered
        self._unsent: dict[int, bytes] = {}  # bodies that the server's flow control has no window for yet
        self._put = 0
        self._unread = 0

    @property
    def has_room(self) -> bool:
        """Whether one more query may be put."""
        streams_max = min(STREAMS_MAX, self._h2.remote_settings.max_concurrent_streams)
        return self.ended is None and len(self._under_way) < streams_max and self._put < QUERIES_MAX

    def put(self, query: Outbound) -> int:
        """Send `query` in a stream of its own, whose ID is the key."""
        self._put += 1
        stream_id = self._h2.get_next_available_stream_id()
        sent = replace(query, id=0)
        body = encode_outbound(sent, padded=True)
        self._h2.send_headers(stream_id, [*self._fields, ("content-length", str(len(body)))])
        self._under_way[stream_id] = _Stream(sent)
        self._unsent[stream_id] = body
        self._send_bodies()
        return stream_id

    def receive(self, octets: bytes) -> list[tuple[int, Answer]]:
        """Return the answers that are whole now."""
        answers: list[tuple[int, Answer]] = []
        try:
            events = self._h2.receive_data(octets)
            for event in events:
                self._take(event, answers)
            self._unread = 0 if events else self._unread + len(octets)
            if self._unread > UNREAD_MAX:
                self.ended = "what it sends is not HTTP/2"
            if self.ended is None:
                self._send_bodies()
        except H2Error as error:
            self.ended = self.ended or f"it broke the rules of HTTP/2: {error}"
        return answers

    def to_send(self) -> bytes:
        """Return what is to be sent, once."""
        return self._h2.data_to_send()

    def _take(self, event: Event, answers: list[tuple[int, Answer]]) -> None:
        match event:
            case ResponseReceived(stream_id=int(stream_id), headers=list(fields)):
                if stream := self._under_way.get(stream_id):
                    self._take_fields(stream, dict(fields))
            case DataReceived(stream_id=int(stream_id), data=bytes(data)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
                if stream := self._under_way.get(stream_id):
                    stream.body += data
                    if len(stream.body) > MESSAGE_MAX:
                        self._h2.reset_stream(stream_id, ErrorCodes.CANCEL)
                        stream.failure = stream.failure or f"more than {MESSAGE_MAX} octets for an answer"
                        self._finish(stream_id, answers)
            case StreamEnded(stream_id=int(stream_id)):
                self._finish(stream_id, answers)
            case StreamReset(stream_id=int(stream_id)) if stream := self._under_way.get(stream_id):
                untouched = event.error_code == ErrorCodes.REFUSED_STREAM  # RFC 9113 section 8.7
                self._drop(stream_id)
                answers.append((stream_id, NotAnswered(f"HTTP/2: {_name(event.error_code)}", untouched)))
            case ConnectionTerminated():
                # What the server had begun may still come by RFC 9113 section 6.8, but h2 reads no further. So all
                # that waits is asked again: what it did not touch here, the rest as on any connection that is closed.
                self.ended = f"HTTP/2: the server closes the connection, {_name(event.error_code)}"
                for stream_id in [each for each in self._under_way if each > (event.last_stream_id or 0)]:
                    self._drop(stream_id)
                    answers.append((stream_id, NotAnswered(self.ended, untouched=True)))
            case _:
                pass

    def _take_fields(self, stream: _Stream, fields: dict[bytes, bytes]) -> None:
        status, media_type = fields.get(b":status", b""), fields.get(b"content-type", b"")
        if status != b"200":
            stream.failure = f"HTTP status {_shown(status)} for {self._path}"
        elif media_type.partition(b";")[0].strip().lower() != MEDIA_TYPE.encode():
            stream.failure = f'no DNS message but "{_shown(media_type)}" at {self._path}'
        age = fields.get(b"age", b"")
        stream.age_s = int(age) if age.isdigit() and len(age) < 10 else 0

    def _finish(self, stream_id: int, answers: list[tuple[int, Answer]]) -> None:
        if (stream := self._drop(stream_id)) is None:
            return
        if stream.failure:
            answers.append((stream_id, NotAnswered(stream.failure)))
            return
        heard = decode_incoming(bytes(stream.body), stream.query)
        if isinstance(heard, NotOurs):
            answers.append((stream_id, NotAnswered("an answer to something that was not asked")))
        elif isinstance(heard, Heard) and stream.age_s:  # in a cache on the way, RFC 8484 section 5.1
            answers.append((stream_id, replace(heard, reply=aged(heard.reply, stream.age_s))))
        else:
            answers.append((stream_id, heard))

    def _drop(self, stream_id: int) -> _Stream | None:
        """Take out a stream that is over; a request that was not sent whole is not sent on."""
        if self._unsent.pop(stream_id, None) is not None and self.ended is None:
            self._h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        return self._under_way.pop(stream_id, None)

    def _send_bodies(self) -> None:
        for stream_id, body in list(self._unsent.items()):
            size = min(len(body), self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
            if size <= 0:
                continue
            self._h2.send_data(stream_id, body[:size], end_stream=size == len(body))
            if size < len(body):
                self._unsent[stream_id] = body[size:]
            else:
                del self._unsent[stream_id]


def _name(code: ErrorCodes | int | None) -> str:
    return code.name if isinstance(code, ErrorCodes) else str(code)


def _shown(said: bytes) -> str:
    return ascii(said[:_WORD_MAX].decode("latin-1"))[1:-1]
