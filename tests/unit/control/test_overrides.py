"""Overrides: what one takes away, for which names, and when it has ended."""

import pytest

from planning import NAME, NOW_S, ZONE
from standfast.control.finding import Finding, Severity, Verdict, verdict
from standfast.control.overrides import OVERRIDE_MAX_S, overridden
from standfast.control.store import Override


def finding(rule: str = "endpoints-min", name: str = NAME, severity: Severity = Severity.REFUSE) -> Finding:
    return Finding(rule=rule, severity=severity, name=name, text="would have 1 of 2", advice="wait")


def override(rule: str = "endpoints-min", scope: str = NAME, until_s: float = NOW_S + 60) -> Override:
    return Override(rule=rule, scope=scope, person="ada", reason="a rack is being moved", until_s=until_s)


def after(found: Finding, *overrides: Override, now_s: float = NOW_S) -> Severity:
    (left,) = overridden([found], overrides, now_s)
    return left.severity


@pytest.mark.parametrize("scope", [NAME, ZONE, "com.", "."])
def test_an_override_covers_its_scope_and_all_below_it(scope: str) -> None:
    assert after(finding(), override(scope=scope)) is Severity.WARN


@pytest.mark.parametrize("scope", ["ftp.example.com.", "a.www.example.com.", "w.example.com.", "example.net."])
def test_an_override_covers_nothing_else(scope: str) -> None:
    assert after(finding(), override(scope=scope)) is Severity.REFUSE


def test_an_override_is_of_one_rule() -> None:
    assert after(finding(), override(rule="capacity-min")) is Severity.REFUSE


@pytest.mark.parametrize("scope", [ZONE, "com.", "."])
def test_a_name_is_emptied_by_its_own_name_alone(scope: str) -> None:
    assert after(finding("never-empty"), override("never-empty", scope)) is Severity.REFUSE
    assert after(finding("never-empty"), override("never-empty", NAME)) is Severity.WARN


def test_an_override_ends_by_itself() -> None:
    assert after(finding(), override(until_s=NOW_S)) is Severity.REFUSE
    assert after(finding(), override(until_s=NOW_S + 0.1)) is Severity.WARN


def test_an_override_lasts_a_day_at_most() -> None:
    assert after(finding(), override(until_s=NOW_S + OVERRIDE_MAX_S)) is Severity.WARN
    assert after(finding(), override(until_s=NOW_S + OVERRIDE_MAX_S + 1)) is Severity.REFUSE


def test_a_clock_that_is_set_back_does_not_make_an_override_last_longer() -> None:
    day = override(until_s=NOW_S + OVERRIDE_MAX_S)
    assert after(finding(), day, now_s=NOW_S - 3_600) is Severity.REFUSE


def test_what_is_set_aside_is_told_with_who_did_it_and_why_and_until_when() -> None:
    (left,) = overridden([finding()], [override()], NOW_S)
    assert left.text == finding().text
    assert left.advice == "set aside by ada until 2026-09-21T14:14:20+00:00: a rack is being moved"


def test_a_question_is_set_aside_like_a_refusal() -> None:
    assert after(finding(severity=Severity.ASK), override()) is Severity.WARN


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], Verdict.PUBLISH),
        ([Severity.WARN], Verdict.PUBLISH),
        ([Severity.WARN, Severity.ASK], Verdict.ASK),
        ([Severity.ASK, Severity.REFUSE, Severity.WARN], Verdict.REFUSE),
    ],
)
def test_the_worst_finding_decides(severities: list[Severity], expected: Verdict) -> None:
    assert verdict(finding(severity=severity) for severity in severities) is expected
