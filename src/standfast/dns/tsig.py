"""Keys and signatures of messages: who holds the same secret, and that nobody changed what he said (RFC 8945).

Pure: the time is passed in, in seconds since the epoch. Right on any octets: what cannot be verified is a value.
"""

import hmac
import struct
from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum
from typing import Final

from standfast.dns.model import Name, RRType
from standfast.dns.wire import HEADER_OCTETS, WireError, name_from_text, name_to_text, read_name, skip_name
from standfast.values import value

# By name, with what computes them; MD5 and SHA-1 are for no new key (RFC 8945 section 6).
ALGORITHMS: Final[Mapping[str, str]] = {
    "hmac-sha256": "sha256",
    "hmac-sha384": "sha384",
    "hmac-sha512": "sha512",
}
FUDGE_S: Final = 300  # how far clocks may differ (RFC 8945 section 10)
UNSIGNED_MAX: Final = 99  # messages of a stream between two that are signed (RFC 8945 section 5.3.1)
MAC_OCTETS_MIN: Final = 10  # and half of the whole; less is no signature at all (RFC 8945 section 5.2.2.1)

_CLASS_ANY: Final = 255
_TIME_OCTETS: Final = 6
_COUNT_AT: Final = 10  # of the additional records, in the header
_COUNT = struct.Struct("!H")
_COUNTS = struct.Struct("!4H")
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of the data
_QUESTION_OCTETS: Final = 4  # of a question behind its name
_TIMERS = struct.Struct("!HIH")  # the time in 48 bits, fudge
_MAC_SIZE = struct.Struct("!H")
_TAIL = struct.Struct("!HHH")  # original ID, error, length of the other data
_ERROR = struct.Struct("!HH")  # error, length of the other data, as they are digested


class TsigError(IntEnum):
    """What is wrong with a signature (RFC 8945 section 3); but for FORMERR the response code is NOTAUTH."""

    FORMERR = 1
    BADSIG = 16
    BADKEY = 17
    BADTIME = 18
    BADTRUNC = 22


@value
class TsigKey:
    """A shared secret, its name, and one of `ALGORITHMS`."""

    name: Name
    algorithm: str
    secret: bytes = field(repr=False)

    @property
    def octets(self) -> int:
        """How much a message grows by being signed."""
        fixed = _RECORD.size + _TIMERS.size + _MAC_SIZE.size + _TAIL.size
        mac = hmac.new(b"", b"", ALGORITHMS[self.algorithm]).digest_size
        return len(name_from_text(self.name)) + len(_algorithm(self)) + fixed + mac


@value
class Verified:
    """A message whose signature is right. `wire` is without it; `said` is the error that its sender tells of."""

    key: TsigKey
    mac: bytes
    wire: bytes
    said: int = 0


@value
class TsigFault:
    """A message whose signature is not right, or is none; all but the first two is what `tell_fault` needs.

    `said` is the error that its sender tells of: of a response that is not signed, the reason.
    """

    error: TsigError
    key: TsigKey | None = None  # None: it is not known, or could not be read
    name: bytes = b""
    algorithm: bytes = b""
    time_s: int = 0
    fudge_s: int = 0
    mac: bytes = b""
    said: int = 0


@value
class Signed:
    """A message with its signature, whose MAC the response is bound to."""

    wire: bytes
    mac: bytes


@value
class _Tsig:
    """The record as it came (RFC 8945 section 4.2), and where in the message it starts."""

    at: int
    name: bytes
    algorithm: bytes
    time_s: int
    fudge_s: int
    mac: bytes
    original_id: int
    error: int
    other: bytes


def verify(
    wire: bytes, keys: Mapping[Name, TsigKey], *, now: float, request_mac: bytes = b""
) -> Verified | TsigFault | None:
    """Look at the signature of a message, in the order of RFC 8945 section 5.2: key, MAC, time, truncation.

    Args:
        wire: the message.
        keys: those that may be used, by name. For a response that of the request alone.
        now: in seconds since the epoch.
        request_mac: for a response, the MAC of the request.

    Returns:
        The message without its signature; what is wrong; None where it has none.
    """
    try:
        tsig = _read(wire)
    except (WireError, struct.error):
        return TsigFault(error=TsigError.FORMERR)
    if tsig is None:
        return None
    prefix = _MAC_SIZE.pack(len(request_mac)) + request_mac if request_mac else b""
    return _judge(wire, tsig, keys.get(name_to_text(tsig.name).lower()), now, prefix, _variables(tsig))


def sign(wire: bytes, key: TsigKey, *, now: float, request_mac: bytes = b"") -> Signed:
    """Sign a message: a request, or with `request_mac` the only message of a response.

    Raises:
        WireError: it would be longer than a message can be.
    """
    prefix = _MAC_SIZE.pack(len(request_mac)) + request_mac if request_mac else b""
    return _sign(wire, key, int(now), prefix, timers_only=False)


def tell_fault(wire: bytes, fault: TsigFault, *, now: float) -> bytes:
    """Return the response `wire` with what was wrong with the request's signature (RFC 8945 section 5.3.2).

    It is signed where the key is proven to be shared: else anybody could have us sign things.
    """
    if fault.error is TsigError.FORMERR:
        return wire
    (id_,) = _COUNT.unpack_from(wire)
    is_late = fault.error is TsigError.BADTIME
    tsig = _Tsig(
        at=len(wire),
        name=fault.name,
        algorithm=fault.algorithm,
        time_s=fault.time_s if is_late else int(now),
        fudge_s=fault.fudge_s,
        mac=b"",
        original_id=id_,
        error=fault.error,
        other=int(now).to_bytes(_TIME_OCTETS, "big") if is_late else b"",
    )
    mac = b""
    if fault.key is not None and fault.error in (TsigError.BADTIME, TsigError.BADTRUNC):
        mac = _mac(fault.key, _MAC_SIZE.pack(len(fault.mac)) + fault.mac + wire + _variables(tsig))
    return _with(wire, tsig, mac)


class SignedStream:
    """The messages of a response, all of them signed, each bound to the one before (RFC 8945 section 5.3.1)."""

    def __init__(self, key: TsigKey, request_mac: bytes) -> None:
        self._key = key
        self._mac = request_mac
        self._first = True

    def sign(self, wire: bytes, now: float) -> bytes:
        """Return the next message with its signature.

        Raises:
            WireError: it would be longer than a message can be.
        """
        prefix = _MAC_SIZE.pack(len(self._mac)) + self._mac
        signed = _sign(wire, self._key, int(now), prefix, timers_only=not self._first)
        self._mac, self._first = signed.mac, False
        return signed.wire


class VerifiedStream:
    """The messages of somebody else's response, the first and the last signed (RFC 8945 section 5.3.1)."""

    def __init__(self, key: TsigKey, request_mac: bytes) -> None:
        self._key = key
        self._pending = bytearray(_MAC_SIZE.pack(len(request_mac)) + request_mac)  # digested before what comes next
        self._first = True
        self._unsigned = 0

    def verify(self, wire: bytes, now: float) -> bytes | TsigFault:
        """Return the next message without its signature, or what is wrong; after that there is nothing to go on with.

        What is not signed yet is proven only by the next one that is: nothing may be done with it before.
        """
        try:
            tsig = _read(wire)
        except (WireError, struct.error):
            return TsigFault(error=TsigError.FORMERR)
        if tsig is None:
            if self._first or self._unsigned == UNSIGNED_MAX:
                return TsigFault(error=TsigError.BADSIG, key=self._key)
            self._unsigned += 1
            self._pending += wire
            return wire
        key = self._key if name_to_text(tsig.name).lower() == self._key.name else None
        variables = _variables(tsig) if self._first else _timers(tsig)
        found = _judge(wire, tsig, key, now, bytes(self._pending), variables)
        if isinstance(found, TsigFault):
            return found
        self._pending = bytearray(_MAC_SIZE.pack(len(found.mac)) + found.mac)
        self._first, self._unsigned = False, 0
        return found.wire

    def end(self) -> TsigFault | None:
        """Say what is wrong with the stream's ending here: its last message must be signed."""
        return TsigFault(error=TsigError.BADSIG, key=self._key) if self._first or self._unsigned else None


def is_signed(wire: bytes) -> bool:
    """Say whether any record of a message is a TSIG, wherever it stands; False where the octets cannot be read."""
    if _TYPE not in wire:
        return False
    try:
        return any(rtype == RRType.TSIG for _, rtype, _ in _records(wire))
    except (WireError, struct.error, IndexError):
        return False


def _judge(
    wire: bytes, tsig: _Tsig, key: TsigKey | None, now: float, prefix: bytes, variables: bytes
) -> Verified | TsigFault:
    if key is not None and _algorithm(key) != tsig.algorithm.lower():
        key = None
    fault = _fault(wire, tsig, key, now, prefix, variables)
    if key is None or fault is not None:
        return TsigFault(
            error=fault or TsigError.BADKEY,
            key=key,
            name=tsig.name,
            algorithm=tsig.algorithm,
            time_s=tsig.time_s,
            fudge_s=tsig.fudge_s,
            mac=tsig.mac,
            said=tsig.error,
        )
    return Verified(key=key, mac=tsig.mac, wire=_without(wire, tsig), said=tsig.error)


def _fault(
    wire: bytes, tsig: _Tsig, key: TsigKey | None, now: float, prefix: bytes, variables: bytes
) -> TsigError | None:
    if key is None:
        return TsigError.BADKEY
    plain = _COUNT.pack(tsig.original_id) + _without(wire, tsig)[2:]
    mac = _mac(key, prefix + plain + variables)
    if not max(MAC_OCTETS_MIN, len(mac) // 2) <= len(tsig.mac) <= len(mac):
        return TsigError.FORMERR
    if not hmac.compare_digest(mac[: len(tsig.mac)], tsig.mac):
        return TsigError.BADSIG
    if abs(int(now) - tsig.time_s) > tsig.fudge_s:
        return TsigError.BADTIME
    # Our policy is the whole MAC: there is no key of ours that would be used with less (RFC 8945 section 5.2.4).
    return TsigError.BADTRUNC if len(tsig.mac) < len(mac) else None


def _sign(wire: bytes, key: TsigKey, time_s: int, prefix: bytes, *, timers_only: bool) -> Signed:
    (id_,) = _COUNT.unpack_from(wire)
    tsig = _Tsig(
        at=len(wire),
        name=name_from_text(key.name),
        algorithm=_algorithm(key),
        time_s=time_s,
        fudge_s=FUDGE_S,
        mac=b"",
        original_id=id_,
        error=0,
        other=b"",
    )
    mac = _mac(key, prefix + wire + (_timers(tsig) if timers_only else _variables(tsig)))
    signed = _with(wire, tsig, mac)
    if len(signed) > 0xFFFF:
        raise WireError(f"a message of {len(signed)} octets with its signature")
    return Signed(wire=signed, mac=mac)


def _read(wire: bytes) -> _Tsig | None:
    """Return the signature of a message, which must be its last record and the only one (RFC 8945 section 5.1)."""
    found = None
    for at, rtype, end in _records(wire):
        if found is not None:
            raise WireError("a record follows the TSIG")
        if rtype == RRType.TSIG:
            found = at, end
    if found is None:
        return None
    at, end = found
    (additionals,) = _COUNT.unpack_from(wire, _COUNT_AT)
    if not additionals or end != len(wire):
        raise WireError("the TSIG is not the end of the message")
    name, data_at = read_name(wire, at, {})
    _, rclass, ttl, _ = _RECORD.unpack_from(wire, data_at)
    algorithm, mac_at = read_name(wire, data_at + _RECORD.size, {})
    high, low, fudge_s = _TIMERS.unpack_from(wire, mac_at)
    mac_at += _TIMERS.size + _MAC_SIZE.size
    (size,) = _MAC_SIZE.unpack_from(wire, mac_at - _MAC_SIZE.size)
    original_id, error, other_size = _TAIL.unpack_from(wire, mac_at + size)
    other_at = mac_at + size + _TAIL.size
    is_plain = mac_at - _TIMERS.size - _MAC_SIZE.size == data_at + _RECORD.size + len(algorithm)
    if rclass != _CLASS_ANY or ttl or not is_plain or other_at + other_size != end:
        raise WireError("the TSIG is not of its shape")
    return _Tsig(
        at=at,
        name=name,
        algorithm=algorithm,
        time_s=high << 32 | low,
        fudge_s=fudge_s,
        mac=wire[mac_at : mac_at + size],
        original_id=original_id,
        error=error,
        other=wire[other_at:end],
    )


def _records(wire: bytes) -> list[tuple[int, int, int]]:
    """Return of each record where it starts, its type, and where it ends."""
    questions, *others = _COUNTS.unpack_from(wire, 4)
    at = HEADER_OCTETS
    for _ in range(questions):
        at = skip_name(wire, at) + _QUESTION_OCTETS
    found = []
    for _ in range(sum(others)):
        start = at
        at = skip_name(wire, at)
        rtype, _, _, size = _RECORD.unpack_from(wire, at)
        at += _RECORD.size + size
        if at > len(wire):
            raise WireError("the octets end within a record")
        found.append((start, rtype, at))
    return found


def _variables(tsig: _Tsig) -> bytes:
    """Return what is digested of a signature beside its message (RFC 8945 section 4.3.3)."""
    head = tsig.name.lower() + struct.pack("!HI", _CLASS_ANY, 0) + tsig.algorithm.lower()
    return head + _timers(tsig) + _ERROR.pack(tsig.error, len(tsig.other)) + tsig.other


def _timers(tsig: _Tsig) -> bytes:
    return _TIMERS.pack(tsig.time_s >> 32, tsig.time_s & 0xFFFFFFFF, tsig.fudge_s)


def _mac(key: TsigKey, octets: bytes) -> bytes:
    return hmac.digest(key.secret, octets, ALGORITHMS[key.algorithm])


def _algorithm(key: TsigKey) -> bytes:
    return name_from_text(key.algorithm + ".")


def _with(wire: bytes, tsig: _Tsig, mac: bytes) -> bytes:
    data = tsig.algorithm + _timers(tsig) + _MAC_SIZE.pack(len(mac)) + mac
    data += _TAIL.pack(tsig.original_id, tsig.error, len(tsig.other)) + tsig.other
    (additionals,) = _COUNT.unpack_from(wire, _COUNT_AT)
    head = wire[:_COUNT_AT] + _COUNT.pack(additionals + 1) + wire[HEADER_OCTETS:]
    return head + tsig.name + _RECORD.pack(RRType.TSIG, _CLASS_ANY, 0, len(data)) + data


def _without(wire: bytes, tsig: _Tsig) -> bytes:
    (additionals,) = _COUNT.unpack_from(wire, _COUNT_AT)
    return wire[:_COUNT_AT] + _COUNT.pack(additionals - 1) + wire[HEADER_OCTETS : tsig.at]


_TYPE: Final = RRType.TSIG.to_bytes(2, "big")
