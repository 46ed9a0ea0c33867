"""Signatures: those of another implementation are right here and ours there, and whatever is not right is told."""

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import dns.message
import dns.name
import dns.tsig
import pytest
from dns.rdtypes.ANY.TSIG import TSIG

from standfast.dns.tsig import (
    ALGORITHMS,
    FUDGE_S,
    UNSIGNED_MAX,
    SignedStream,
    TsigError,
    TsigFault,
    TsigKey,
    Verified,
    VerifiedStream,
    is_signed,
    sign,
    tell_fault,
    verify,
)
from standfast.dns.wire import WireError

NOW: Final = 1_790_000_000.0
KEY: Final = TsigKey(name="secondary.example.", algorithm="hmac-sha256", secret=b"s" * 32)
KEYS: Final = {KEY.name: KEY}
QUERY: Final = dns.message.make_query("example.org", "SOA", id=7, use_edns=True).to_wire()


@pytest.fixture(params=sorted(ALGORITHMS))
def key(request: pytest.FixtureRequest) -> TsigKey:
    """Return a key of every algorithm."""
    return replace(KEY, algorithm=request.param)


def theirs(key: TsigKey) -> dns.tsig.Key:
    return dns.tsig.Key(key.name, key.secret, key.algorithm)


@pytest.fixture(autouse=True)
def _its_clock_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)


def test_what_is_signed_here_is_right_there(key: TsigKey) -> None:
    signed = sign(QUERY, key, now=NOW)
    read = dns.message.from_wire(signed.wire, keyring=theirs(key))
    assert read.had_tsig
    assert read.mac == signed.mac
    assert len(signed.wire) == len(QUERY) + key.octets


def test_what_is_signed_there_is_right_here_whatever_the_letters_of_the_keys_name(key: TsigKey) -> None:
    query = dns.message.from_wire(QUERY)
    query.use_tsig(theirs(replace(key, name="SECONDARY.example.")))
    wire = query.to_wire()
    assert query.mac is not None
    assert verify(wire, {key.name: key}, now=NOW) == Verified(key=key, mac=query.mac, wire=QUERY)


def test_a_response_is_bound_to_its_request(key: TsigKey) -> None:
    query = dns.message.from_wire(QUERY)
    query.use_tsig(theirs(key))
    asked = verify(query.to_wire(), {key.name: key}, now=NOW)
    assert isinstance(asked, Verified)
    answer = dns.message.make_response(dns.message.from_wire(QUERY)).to_wire()
    signed = sign(answer, key, now=NOW, request_mac=asked.mac).wire
    assert dns.message.from_wire(signed, keyring=theirs(key), request_mac=query.mac).had_tsig
    assert isinstance(verify(signed, {key.name: key}, now=NOW, request_mac=asked.mac), Verified)
    assert error_of(verify(signed, {key.name: key}, now=NOW, request_mac=b"x" * 32)) is TsigError.BADSIG
    assert error_of(verify(signed, {key.name: key}, now=NOW)) is TsigError.BADSIG


def test_what_a_forwarder_gave_another_id_is_still_right() -> None:
    wire = sign(QUERY, KEY, now=NOW).wire
    found = verify(b"\xab\xcd" + wire[2:], KEYS, now=NOW)
    assert isinstance(found, Verified)
    assert found.wire == b"\xab\xcd" + QUERY[2:]


def test_a_message_without_a_signature_has_none() -> None:
    assert verify(QUERY, KEYS, now=NOW) is None
    assert not is_signed(QUERY)
    assert is_signed(sign(QUERY, KEY, now=NOW).wire)


def test_any_octet_that_is_changed_is_noticed() -> None:
    signed = sign(QUERY, KEY, now=NOW).wire
    for at in range(2, len(signed)):  # a forwarder may change the ID before
        wire = signed[:at] + bytes((signed[at] ^ 1,)) + signed[at + 1 :]
        assert not isinstance(verify(wire, KEYS, now=NOW), Verified), at


@pytest.mark.parametrize("keys", [{}, {KEY.name: replace(KEY, algorithm="hmac-sha512")}])
def test_an_unknown_key_is_told_of_without_a_signature(keys: dict[str, TsigKey]) -> None:
    found = verify(sign(QUERY, KEY, now=NOW).wire, keys, now=NOW)
    assert error_of(found) is TsigError.BADKEY
    told = as_told(found)
    assert (int(told.error), told.mac, told.other) == (TsigError.BADKEY, b"", b"")


def test_another_secret_is_told_of_without_a_signature() -> None:
    found = verify(sign(QUERY, KEY, now=NOW).wire, {KEY.name: replace(KEY, secret=b"another")}, now=NOW)
    assert error_of(found) is TsigError.BADSIG
    assert as_told(found).mac == b""


@pytest.mark.parametrize("late_s", [-FUDGE_S - 1, FUDGE_S + 1])
def test_a_clock_too_far_off_is_told_our_time_under_the_key(late_s: int) -> None:
    found = verify(sign(QUERY, KEY, now=NOW - late_s).wire, KEYS, now=NOW)
    assert error_of(found) is TsigError.BADTIME
    told = as_told(found)
    assert told.time_signed == NOW - late_s
    assert int.from_bytes(told.other, "big") == NOW
    assert isinstance(found, TsigFault)
    wire = tell_fault(answer_of(QUERY), found, now=NOW)
    said = verify(wire, KEYS, now=NOW - late_s, request_mac=found.mac)
    assert isinstance(said, Verified)
    assert said.said == TsigError.BADTIME


@pytest.mark.parametrize("late_s", [-FUDGE_S, FUDGE_S])
def test_a_clock_may_be_off_by_the_fudge(late_s: int) -> None:
    assert isinstance(verify(sign(QUERY, KEY, now=NOW - late_s).wire, KEYS, now=NOW), Verified)


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (0, TsigError.FORMERR),
        (15, TsigError.FORMERR),
        (16, TsigError.BADTRUNC),
        (31, TsigError.BADTRUNC),
        (33, TsigError.FORMERR),
    ],
)
def test_a_mac_that_is_cut_is_not_enough(octets: int, error: TsigError) -> None:
    wire = with_mac(sign(QUERY, KEY, now=NOW).wire, lambda mac: (mac + b"x")[:octets])
    found = verify(wire, KEYS, now=NOW)
    assert error_of(found) is error
    if error is TsigError.BADTRUNC:
        assert as_told(found).mac != b""  # under the key


def test_a_mac_that_is_cut_and_wrong_is_wrong() -> None:
    wire = with_mac(sign(QUERY, KEY, now=NOW).wire, lambda mac: bytes(16))
    assert error_of(verify(wire, KEYS, now=NOW)) is TsigError.BADSIG


def test_a_signature_that_is_not_last_or_not_alone_is_malformed() -> None:
    signed = sign(QUERY, KEY, now=NOW).wire
    twice = sign(signed, KEY, now=NOW).wire
    opt = QUERY[-11:]
    followed = signed[:10] + struct.pack("!H", 3) + signed[12:] + opt
    in_authority = signed[:8] + b"\0\2\0\0" + signed[12:]
    for wire in (twice, followed, in_authority, signed + b"\0", signed[:-1]):
        assert error_of(verify(wire, KEYS, now=NOW)) is TsigError.FORMERR


def test_a_malformed_signature_is_told_of_without_one() -> None:
    found = verify(sign(QUERY, KEY, now=NOW).wire[:-1], KEYS, now=NOW)
    assert isinstance(found, TsigFault)
    assert tell_fault(answer_of(QUERY), found, now=NOW) == answer_of(QUERY)


def test_a_secret_is_not_shown() -> None:
    assert "ssss" not in repr(KEY)


def test_no_message_becomes_longer_than_one_can_be() -> None:
    with pytest.raises(WireError):
        sign(QUERY + bytes(0xFFFF - len(QUERY)), KEY, now=NOW)


# Streams


def messages(count: int) -> list[bytes]:
    return [answer_of(QUERY)] * count


def test_a_stream_is_right_there(key: TsigKey) -> None:
    asked = sign(QUERY, key, now=NOW)
    stream = SignedStream(key, asked.mac)
    context = None
    for wire in messages(3):
        signed = stream.sign(wire, NOW)
        read = dns.message.from_wire(signed, keyring=theirs(key), request_mac=asked.mac, multi=True, tsig_ctx=context)
        context = read.tsig_ctx
        assert read.had_tsig


def test_a_stream_from_there_is_right_here_with_messages_that_are_not_signed(key: TsigKey) -> None:
    asked = sign(QUERY, key, now=NOW)
    stream = VerifiedStream(key, asked.mac)
    context = None
    for number, wire in enumerate(messages(7)):
        answer = dns.message.from_wire(wire)
        if number % 3 == 0:
            answer.use_tsig(theirs(key), original_id=7)
            answer.request_mac = asked.mac
            signed = answer.to_wire(multi=True, tsig_ctx=context)
            context = answer.tsig_ctx
        else:
            signed = wire
            assert context is not None
            context.update(wire)
        assert stream.verify(signed, NOW) == wire
        assert (stream.end() is None) == (number % 3 == 0)


def test_a_stream_of_ours_is_right_here(key: TsigKey) -> None:
    asked = sign(QUERY, key, now=NOW)
    ours, verified = SignedStream(key, asked.mac), VerifiedStream(key, asked.mac)
    for wire in messages(5):
        assert verified.verify(ours.sign(wire, NOW), NOW) == wire
    assert verified.end() is None


def test_a_stream_whose_messages_change_places_is_not_right() -> None:
    asked = sign(QUERY, KEY, now=NOW)
    ours, verified = SignedStream(KEY, asked.mac), VerifiedStream(KEY, asked.mac)
    first, second, third = (ours.sign(wire, NOW) for wire in messages(3))
    assert isinstance(verified.verify(first, NOW), bytes)
    assert error_of(verified.verify(third, NOW)) is TsigError.BADSIG
    assert second != third


def test_a_stream_begins_signed_ends_signed_and_is_signed_often_enough() -> None:
    asked = sign(QUERY, KEY, now=NOW)
    (wire,) = messages(1)
    stream = VerifiedStream(KEY, asked.mac)
    assert stream.end() is not None
    assert isinstance(stream.verify(wire, NOW), TsigFault)
    stream = VerifiedStream(KEY, asked.mac)
    assert stream.verify(SignedStream(KEY, asked.mac).sign(wire, NOW), NOW) == wire
    for _ in range(UNSIGNED_MAX):
        assert stream.verify(wire, NOW) == wire
    assert isinstance(stream.verify(wire, NOW), TsigFault)


def test_a_stream_under_another_key_is_not_right() -> None:
    asked = sign(QUERY, KEY, now=NOW)
    other = replace(KEY, name="other.example.")
    (wire,) = messages(1)
    assert error_of(VerifiedStream(KEY, asked.mac).verify(SignedStream(other, asked.mac).sign(wire, NOW), NOW)) is (
        TsigError.BADKEY
    )
    assert error_of(VerifiedStream(KEY, asked.mac).verify(wire[:-1], NOW)) is TsigError.FORMERR


def error_of(found: Verified | TsigFault | bytes | None) -> TsigError:
    assert isinstance(found, TsigFault), found
    return found.error


def answer_of(query: bytes) -> bytes:
    return dns.message.make_response(dns.message.from_wire(query)).to_wire()


def as_told(found: Verified | TsigFault | None) -> TSIG:
    """Return the signature of the response that tells of a fault, as dnspython reads it."""
    assert isinstance(found, TsigFault)
    wire = tell_fault(answer_of(QUERY), found, now=NOW)
    tsig = dns.message.from_wire(wire, keyring=False).tsig
    assert tsig is not None
    assert isinstance(tsig[0], TSIG)
    return tsig[0]


def with_mac(wire: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return `wire`, signed with `KEY`, with another MAC."""
    size_at = len(wire) - 6 - 32 - 2
    mac = change(wire[size_at + 2 : -6])
    data_size_at = size_at - 8 - len(b"\x0bhmac-sha256\0") - 2
    size = int.from_bytes(wire[data_size_at : data_size_at + 2], "big") - 32 + len(mac)
    return (
        wire[:data_size_at]
        + size.to_bytes(2, "big")
        + wire[data_size_at + 2 : size_at]
        + len(mac).to_bytes(2, "big")
        + mac
        + wire[-6:]
    )
