"""The report of a drill: one HTML page that needs nothing but itself, for people who judge with their eyes.

No script, no font, no image from anywhere; its own Content-Security-Policy forbids them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from html import escape
from importlib import resources

from standfast.drills.account import Account, Contestant, Decision, duration, without_clock
from standfast.drills.timeline import draw
from standfast.sim.scoring import Score

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
DECISIONS_SHOWN_MAX = 30  # enough for any story that is told in a minute; a flapping name has more
ERRORS_SHOWN_MAX = 3  # kinds of error a contestant, the most frequent first; the rest is in the JSON


def render(account: Account) -> str:
    """Return the page that shows `account`, as text in UTF-8."""
    style = (resources.files("standfast.drills") / "report.css").read_text(encoding="utf-8")
    sections = (_head, _grids, _cards, _timeline, _scores, _decisions, _how)
    body = "\n".join(part for section in sections for part in section(account))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">
<title>{escape(account.drill)}: {"passed" if account.passed else "failed"} - Standfast drill</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _head(account: Account) -> Iterator[str]:
    how = {"live": "live, on loopback", "sim": "simulated"}[account.mode]
    yield f'<header><div class="kicker">Standfast drill · {escape(account.drill)} · {how}</div>'
    yield f"<h1>{escape(account.title)}</h1>"
    yield f"<p>{escape(account.description)}</p>"
    if account.passed:
        yield f'<div class="verdict"><b>PASSED</b><span>{_how_well(account)}</span></div></header>'
    else:
        failures = "".join(f"<li>{escape(failure)}</li>" for failure in account.failures)
        yield f'<div class="verdict failed"><b>FAILED</b><ul>{failures}</ul></div></header>'


def _how_well(account: Account) -> str:
    if account.unscathed:
        lasted = duration(account.ends_at_s)
        return f"Behind the guard there was no second of outage, of wrong hold or of attack in {lasted}."
    return "Standfast did all that this drill expects of it."


def _grids(account: Account) -> Iterator[str]:
    for grid in account.grids:
        heads, *rows = grid.rows
        yield f'<section><h2>{escape(grid.title)}</h2><div class="wide"><table><thead><tr>'
        yield from (f"<th>{escape(head)}</th>" for head in heads)
        yield "</tr></thead><tbody>"
        for row in rows:
            yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        yield "</tbody></table></div></section>"


def _cards(account: Account) -> Iterator[str]:
    yield '<div class="cards">'
    for contestant in account.contestants:
        total = contestant.total
        well = not (total.outage_s or total.wrong_hold_s or total.attack_s)
        kind, seconds = _worst(contestant.suffered[0].score)
        yield f'<div class="card{" well" if well else ""}"><h3>{escape(contestant.name)}</h3>'
        yield f'<span class="figure">{duration(seconds)}</span>'
        yield f"<small>of {kind} with {escape(contestant.suffered[0].lane.title)}</small>"
        yield f"<small>{total.bad_lookups} of {total.lookups} calls failed</small>"
        yield f"<small>{escape(contestant.what)}</small></div>"
    for absent in account.absent:
        yield f'<div class="card absent"><h3>{escape(absent.name)}</h3><small>not installed; to have it:<br>'
        yield f"<code>{escape(absent.install)}</code></small></div>"
    yield "</div>"


def _timeline(account: Account) -> Iterator[str]:
    yield '<section><h2>What happened</h2><div class="wide">'
    yield draw(account)
    yield "</div>"
    kinds = [
        ("thin", "well", "well"),
        ("", "outage", "outage"),
        ("", "wrong-hold", "wrong hold"),
        ("", "attack", "attack"),
    ]
    kinds += [
        ("", "hold", "the guard holds"),
        ("", "release", "the guard lets go"),
        ("", "fresh", "the guard passes on"),
    ]
    yield '<ul class="key">'
    for shape, colour, word in kinds:
        yield f'<li><i class="{shape}" style="background: var(--{colour})"></i>{word}</li>'
    yield '</ul><ol class="moments">'
    for moment in account.moments:
        at, text = account.clock(moment.at_s, seconds=False), escape(without_clock(moment.text))
        yield f"<li><time>{at}</time><span>{text}</span></li>"
    yield "</ol></section>"


def _scores(account: Account) -> Iterator[str]:
    titles = [suffered.lane.title for suffered in account.contestants[0].suffered]
    yield '<section><h2>What it cost those who depend on the names</h2><div class="wide"><table><thead>'
    yield f'<tr><th></th><th class="number over" colspan="{len(titles)}">outage of those who call</th>'
    yield '<th class="number over" colspan="5">all of them together</th></tr><tr><th>resolved through</th>'
    together = ("wrong hold", "attack", "calls failed", "first failed", "recovery after the fix")
    for title in (*titles, *together):
        yield f'<th class="number">{escape(title)}</th>'
    yield "</tr></thead><tbody>"
    for contestant in account.contestants:
        yield from _score_row(account, contestant)
    yield "</tbody></table></div>"
    yield "<p><small>A call that fails while the service is up and meant to be is an outage, and speaks for the time "
    yield "until the next call; so does one that reaches an address that its owner has given up (wrong hold), or an "
    yield "attacker's (attack). Seconds are those of the story.</small></p></section>"


def _score_row(account: Account, contestant: Contestant) -> Iterator[str]:
    total = contestant.total
    seconds = [suffered.score.outage_s for suffered in contestant.suffered] + [total.wrong_hold_s, total.attack_s]
    yield f"<tr><td><b>{escape(contestant.name)}</b></td>"
    for each in seconds:
        yield f'<td class="number {"bad" if each else "good"}">{duration(each)}</td>'
    yield f'<td class="number">{total.bad_lookups} of {total.lookups}</td>'
    first = "&ndash;" if total.first_bad_at_s is None else account.clock(total.first_bad_at_s)
    recovery = "&ndash;" if total.recovery_s is None else duration(total.recovery_s)
    yield f'<td class="number">{first}</td><td class="number">{recovery}</td>'
    yield f'</tr><tr class="saw"><td></td><td colspan="{len(seconds) + 3}">{_errors(contestant)}</td></tr>'


def _errors(contestant: Contestant) -> str:
    seen: Counter[str] = Counter()
    for suffered in contestant.suffered:
        seen.update(suffered.errors)
    if not seen:
        return "its clients saw no error"
    shown = (f"{count} &times; <code>{escape(text)}</code>" for text, count in seen.most_common(ERRORS_SHOWN_MAX))
    return "its clients saw " + ", ".join(shown)


def _decisions(account: Account) -> Iterator[str]:
    if not account.decisions:
        return
    yield "<section><h2>What the guard decided, and why</h2>"
    for decision in account.decisions[:DECISIONS_SHOWN_MAX]:
        yield from _decision(account, decision)
    if len(account.decisions) > DECISIONS_SHOWN_MAX:
        yield f"<p>... and {len(account.decisions) - DECISIONS_SHOWN_MAX} more, which are in the ledger.</p>"
    if account.ledger is not None:
        yield f'<p class="soft" style="margin-top: 1rem">{escape(account.ledger)}</p>'
    yield "</section>"


def _decision(account: Account, decision: Decision) -> Iterator[str]:
    provisional = ", provisional" if decision.provisional else ""
    yield f'<div class="decision"><time class="soft">{account.clock(decision.at_s)}</time><div>'
    verdict = f"{decision.action} / {decision.cause}{provisional}"
    yield f'<span class="badge {escape(decision.action)}">{escape(verdict)}</span>'
    yield f"<code>{escape(decision.question)}</code>"
    yield f"<div>{escape(decision.reason)}. <span class=soft>Clients get the {_served(decision)} "
    yield f"(rule <code>{escape(decision.rule)}</code>).</span></div>"
    if decision.evidence:
        yield f"<ul>{_items(decision.evidence)}</ul>"
    yield "</div></div>"


def _served(decision: Decision) -> str:
    words = {"outcome": "upstream's answer", "known-good": "known-good answer"}
    return escape(words.get(decision.served, decision.served))


def _how(account: Account) -> Iterator[str]:
    yield "<section><h2>How this was run</h2><dl>"
    for name, version in account.versions.items():
        yield f"<dt>{escape(name)}</dt><dd>{escape(version)}</dd>"
    yield "</dl>"
    for note in account.notes:
        yield f"<p>{escape(note)}</p>"
    yield f"<p>{escape(account.lesson)}</p>" if account.lesson else ""
    if account.sources:
        yield f'<p class="soft">The facts: {escape("; ".join(account.sources))}</p>'
    yield f"</section><footer>Run in {account.took_s:.0f} real seconds.</footer>"


def _worst(score: Score) -> tuple[str, float]:
    kinds = (("outage", score.outage_s), ("wrong hold", score.wrong_hold_s), ("attack", score.attack_s))
    return max(kinds, key=lambda kind: kind[1])


def _items(texts: Iterable[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)
