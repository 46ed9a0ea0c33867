"""The HTML report: it needs nothing but itself, shows what the account says, and trusts no text in it."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from standfast.drills.account import Account, Moment
from standfast.drills.report import DECISIONS_SHOWN_MAX, render
from standfast.drills.timeline import GUTTER, MARGIN, MARKERS_APART, WIDTH, draw
from unit.drills.accounts import BACK_AT_S, ENDS_AT_S, ERROR, LOST_AT_S, account, decision, suffered

VOID = frozenset("meta br line rect circle link img input hr".split())
LOADS = frozenset("script link img iframe object embed video audio source use image base form a".split())


class Page(HTMLParser):
    """The elements and the text of a page; fails where elements are not nested properly."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]


def page_of(shown: Account) -> Page:
    return Page(render(shown))


def x_of(at_s: float) -> float:
    return GUTTER + at_s / ENDS_AT_S * (WIDTH - GUTTER - MARGIN)


# It needs nothing but itself.


def test_the_page_loads_nothing_and_forbids_itself_to() -> None:
    html = render(account())
    page = Page(html)
    assert not LOADS & {tag for tag, _ in page.elements}
    assert not {"src", "href", "xlink:href", "srcset", "onload"} & {key for _, attrs in page.elements for key in attrs}
    assert re.findall(r"url\((?!#)|@import|https?://", html) == []
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_page_is_for_the_light_and_for_the_dark() -> None:
    assert "@media (prefers-color-scheme: dark)" in render(account())


HOSTILE = '<script>alert("1")</script> & <b>'


def test_no_text_of_an_account_becomes_markup() -> None:
    shown = account(
        title=HOSTILE,
        description=HOSTILE,
        drill=HOSTILE,
        lesson=HOSTILE,
        zone=HOSTILE,
        sources=(HOSTILE,),
        notes=(HOSTILE,),
        ledger=HOSTILE,
        versions={HOSTILE: HOSTILE},
        moments=(Moment(at_s=5.0, text=HOSTILE),),
        decisions=(
            decision(
                question=HOSTILE, reason=HOSTILE, evidence=(HOSTILE,), rule=HOSTILE, action=HOSTILE, served=HOSTILE
            ),
        ),
        failures=(HOSTILE,),
    )
    html = render(shown)
    assert "<script" not in html
    assert "alert" in html
    assert page_of(shown).text.count('<script>alert("1")</script> & <b>') >= 11


# It shows what the account says.


def test_a_drill_that_passed_says_so_first_and_one_that_failed_says_why() -> None:
    assert "PASSED Behind the guard there was no second of outage" in page_of(account()).text
    failed = page_of(account(failures=("after: seconds of outage through the guard: 76.2",)))
    assert "FAILED after: seconds of outage through the guard: 76.2" in failed.text
    assert "PASSED" not in failed.text


def test_a_pass_with_seconds_that_the_drill_allows_claims_no_zero() -> None:
    contestants = account().contestants
    allowed = account(contestants=(replace(contestants[0], name="guard"),))
    assert "no second of outage" not in page_of(allowed).text


def test_every_contestant_has_its_card_its_row_and_its_errors() -> None:
    text = page_of(account()).text
    assert "plain forwarding 2 h 52 min of outage with DynamoDB 540 of 600 calls failed" in text
    assert "guard 0 s of outage with DynamoDB 0 of 600 calls failed" in text
    assert "plain forwarding 2 h 52 min 2 h 51 min 0 s 0 s 540 of 600 23:48:00 15 min" in text
    assert f"its clients saw 540 \N{MULTIPLICATION SIGN} {ERROR}" in text
    assert "guard 0 s 0 s 0 s 0 s 0 of 600 \N{EN DASH} \N{EN DASH} its clients saw no error" in text


def test_who_did_not_take_part_is_shown_with_what_would_let_it() -> None:
    assert "unbound not installed; to have it: sudo apt-get install unbound" in page_of(account()).text


def test_every_verdict_is_shown_with_its_reason_its_evidence_and_its_rule() -> None:
    text = page_of(account()).text
    assert "23:48:40 hold / mistake dynamodb.us-east-1.amazonaws.com. A" in text
    assert "NODATA: the servers are there and prove identity (2 proven of 2 asked). Clients get the known-good" in text
    assert "(rule negative.proven )" in text
    assert "known-good 127.1.0.11: identity proven known-good 127.1.0.12: identity proven" in text
    assert "The 5 records of the guard's ledger are whole." in text


def test_a_thousand_verdicts_do_not_make_a_thousand_paragraphs() -> None:
    page = page_of(account(decisions=tuple(decision(at_s=700.0 + at) for at in range(1000))))
    assert len(page.all("div", class_="decision")) == DECISIONS_SHOWN_MAX
    assert f"... and {1000 - DECISIONS_SHOWN_MAX} more" in page.text


def test_versions_and_how_it_was_run_are_at_the_end() -> None:
    text = page_of(account()).text
    assert "boto3 1.43.106" in text
    assert "Nothing left this machine." in text
    assert "a post-event summary" in text


def test_a_simulated_drill_has_a_report_of_the_same_kind() -> None:
    shown = account(mode="sim", background=(), absent=(), decisions=(), ledger=None)
    text = page_of(shown).text
    assert "Standfast drill · us-east-1 · simulated" in text
    assert "What the guard decided" not in text


# The timeline is drawn to scale.


def test_bars_begin_and_end_where_their_times_are() -> None:
    outage = Page(draw(account())).all("rect", class_="outage")[1]  # the first is that of the record
    assert float(outage["x"] or 0) == pytest.approx(x_of(LOST_AT_S), abs=0.1)
    assert float(outage["width"] or 0) == pytest.approx(x_of(BACK_AT_S) - x_of(LOST_AT_S), abs=0.2)


def test_a_bad_time_is_told_from_a_good_one_without_colours() -> None:
    page = Page(draw(account()))
    well = {float(bar["height"] or 0) for bar in page.all("rect", class_="well")}
    bad = {float(bar["height"] or 0) for bar in page.all("rect", class_="outage")}
    assert max(well) < min(bad)
    assert len(page.all("rect", fill="url(#hatch)")) == len(page.all("rect", class_="outage"))


def test_the_guards_verdict_stands_until_the_next_one() -> None:
    later = decision(at_s=BACK_AT_S, action="fresh", cause="none")
    page = Page(draw(account(decisions=(decision(), later))))
    (held,) = page.all("rect", class_="verdict-hold")
    (fresh,) = page.all("rect", class_="verdict-fresh")
    assert float(held["x"] or 0) == pytest.approx(x_of(760.0), abs=0.1)
    assert float(held["width"] or 0) == pytest.approx(x_of(BACK_AT_S) - x_of(760.0), abs=0.2)
    assert float(fresh["x"] or 0) == pytest.approx(x_of(BACK_AT_S), abs=0.1)


def test_ticks_are_at_round_times_of_the_story() -> None:
    page = Page(draw(account()))
    assert {"00:00", "00:30", "01:00", "01:30", "02:00", "02:30"} <= set(page.words)
    assert "19 Oct - 20 Oct 2025, PDT" in page.words


def test_markers_of_events_close_to_each_other_do_not_cover_each_other() -> None:
    moments = tuple(Moment(at_s=at_s, text="") for at_s in (700.0, 710.0, 720.0, 9000.0))
    circles = Page(draw(account(moments=moments))).all("circle")
    places = [(float(circle["cx"] or 0), float(circle["cy"] or 0)) for circle in circles]
    for number, (x, y) in enumerate(places):
        for other_x, other_y in places[:number]:
            assert abs(x - other_x) >= MARKERS_APART or abs(y - other_y) >= MARKERS_APART


def test_a_long_label_leaves_room_for_the_title_of_its_group_and_is_told_whole_to_who_asks() -> None:
    contestants = (replace(account().contestants[0], suffered=(suffered("a-name-of-many-letters.example.org."),)),)
    page = Page(draw(account(contestants=contestants)))
    assert "a-name-of-many-letters.example.org." in page.words  # as a tooltip
    assert "a-name-of-man\N{HORIZONTAL ELLIPSIS}" in page.words


def test_the_drawing_is_told_to_those_who_do_not_see_it() -> None:
    (svg,) = Page(draw(account())).all("svg")
    assert svg["role"] == "img"
    assert svg["aria-label"] == "plain forwarding: 2 h 52 min of outage; guard: 0 s of outage"
