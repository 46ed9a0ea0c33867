"""An account of a drill as tests need one: the incident, with a guard that held and one who obeyed."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from standfast.drills.account import (
    Absent,
    Account,
    Contestant,
    Decision,
    Lane,
    Moment,
    Span,
    State,
    Suffered,
)
from standfast.sim.scoring import Score

ENDS_AT_S = 11_640.0
LOST_AT_S, BACK_AT_S = 720.0, 11_040.0
NAME = "dynamodb.us-east-1.amazonaws.com"
ERROR = "gaierror: [Errno -5] No address associated with hostname"


def account(**changes: Any) -> Account:
    return replace(_ACCOUNT, **changes)


def decision(**changes: Any) -> Decision:
    return replace(_DECISION, **changes)


def suffered(title: str, *, from_s: float | None = None, to_s: float = ENDS_AT_S) -> Suffered:
    """Return what one name's clients suffered: nothing, or an outage from `from_s` to `to_s`."""
    if from_s is None:
        well = Span(from_s=0.0, to_s=ENDS_AT_S, state=State.WELL)
        return Suffered(lane=Lane(title=title, spans=(well,)), score=Score(lookups=300), errors={})
    cuts = ((0.0, from_s, State.WELL), (from_s, to_s, State.OUTAGE), (to_s, ENDS_AT_S, State.WELL))
    return Suffered(
        lane=Lane(title=title, spans=tuple(Span(from_s=a, to_s=b, state=state) for a, b, state in cuts)),
        score=Score(outage_s=to_s - from_s, first_bad_at_s=from_s, recovery_s=900.0, lookups=300, bad_lookups=270),
        errors={ERROR: 270},
    )


_DECISION = Decision(
    at_s=760.0,
    question=f"{NAME}. A",
    outcome="NODATA",
    action="hold",
    cause="mistake",
    rule="negative.proven",
    reason="NODATA: the servers are there and prove identity (2 proven of 2 asked)",
    served="known-good",
    provisional=False,
    evidence=("known-good 127.1.0.11: identity proven", "known-good 127.1.0.12: identity proven"),
)
_ACCOUNT = Account(
    drill="us-east-1",
    title="The outage of 20 October 2025 in us-east-1",
    description="The record loses all its addresses while the servers behind it are well.",
    lesson="The guard holds the name.",
    sources=("a post-event summary",),
    mode="live",
    scale=152.0,
    starts_at=datetime.fromisoformat("2025-10-19T23:36:00-07:00"),
    zone="PDT",
    ends_at_s=ENDS_AT_S,
    moments=(
        Moment(at_s=LOST_AT_S, text="23:48 the record is emptied: NODATA"),
        Moment(at_s=10_140.0, text="02:25 the record is restored by hand"),
    ),
    background=(suffered("its servers").lane, suffered("the record", from_s=LOST_AT_S, to_s=10_140.0).lane),
    contestants=(
        Contestant(
            name="plain forwarding",
            what="the clients ask the upstream themselves",
            suffered=(
                suffered("DynamoDB", from_s=LOST_AT_S, to_s=BACK_AT_S),
                suffered("api.doorbell.example", from_s=LOST_AT_S + 60, to_s=BACK_AT_S),
            ),
        ),
        Contestant(
            name="guard",
            what="standfast 0.1.0",
            suffered=(suffered("DynamoDB"), suffered("api.doorbell.example")),
        ),
    ),
    absent=(Absent(name="unbound", install="sudo apt-get install unbound"),),
    decisions=(_DECISION,),
    ledger="The 5 records of the guard's ledger are whole.",
    versions={"standfast": "0.1.0", "boto3": "1.43.106"},
    notes=("Nothing left this machine.",),
    took_s=88.4,
    failures=(),
)
