"""The simulated disk."""

from standfast.dns.model import Question, RRset, RRType
from standfast.guard.events import Forget, Remember, Switch
from standfast.guard.known import Answer, KnownGood
from standfast.sim.store import WRITE_DELAY_S, Store

QUESTION = Question("www.example.org.", RRType.A)
LANDED_S = 10.0 + WRITE_DELAY_S


def known(address: bytes = b"\xc0\x00\x02\x01") -> KnownGood:
    rrset = RRset(owner=QUESTION.qname, rtype=RRType.A, ttl_s=60, rdatas=(address,))
    return KnownGood(
        question=QUESTION,
        answer=Answer(rrsets=(rrset,)),
        first_seen_s=0.0,
        confirmed_at_s=0.0,
        changed_at_s=0.0,
    )


def test_what_was_written_is_there_after_a_crash_once_it_has_landed() -> None:
    store = Store()
    store.write(Remember.of(known()), 10.0)
    store.crash(LANDED_S)
    assert list(store.known(LANDED_S)) == [known()]


def test_a_crash_loses_the_last_instant() -> None:
    store = Store()
    store.write(Remember.of(known()), 10.0)
    store.write(Switch(enabled=False), 10.0)
    store.crash(LANDED_S - 0.01)
    assert list(store.known(LANDED_S + 10)) == []
    assert store.enabled


def test_the_newest_write_of_a_question_counts() -> None:
    store = Store()
    store.write(Remember.of(known()), 10.0)
    store.write(Remember.of(known(b"\xc0\x00\x02\x02")), 11.0)
    assert list(store.known(20.0)) == [known(b"\xc0\x00\x02\x02")]
    store.write(Forget(question=QUESTION), 20.0)
    assert list(store.known(30.0)) == []


def test_the_switch_is_remembered() -> None:
    store = Store()
    store.write(Switch(enabled=False), 10.0)
    store.crash(LANDED_S)
    assert not store.enabled
