// The panel beside the map: search, what the loss took, and all that is known of what is chosen. Ends with the start.
"use strict";

const LISTED_MAX = 60; // names in a list
const HITS_MAX = 30;
const GREATEST = 8; // losses that are proposed
const SINGLES_MAX = 400; // that one may hang on, for each to be tried: some hundredths of a second

function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null) element.setAttribute(key, value);
  }
  element.append(...inside.filter((each) => each !== null));
  return element;
}

const count = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;

function row(at, end = null, act = goTo) {
  const { label, caption } = THINGS[at];
  const inside = [make("b", {}, label), make("small", {}, caption), end];
  return make("button", { type: "button", class: `row ${blast.fates[at]}`, click: () => act(at) }, ...inside);
}

function list(rows, most = LISTED_MAX) {
  const found = make("ul", { class: "rows" }, ...rows.slice(0, most).map((each) => make("li", {}, each())));
  if (rows.length > most) found.append(make("li", { class: "by" }, `and ${(rows.length - most).toLocaleString("en")} more`));
  return found;
}

function tell() {
  tellOutcome();
  tellChosen();
  tellFallen();
}

const isNode = (at) => THINGS[at].kind !== "cause";
const nodesThat = (...fates) => THINGS.flatMap((_, at) => (isNode(at) && fates.includes(blast.fates[at]) ? [at] : []));

function tellOutcome() {
  const down = nodesThat("down", "lost").length;
  const degraded = nodesThat("degraded").length;
  if (!lost.size) {
    const greatest = THINGS.map((_, at) => at).sort((one, other) => THINGS[other].reach - THINGS[one].reach || one - other);
    const most = THINGS[greatest[0]]?.reach || 1;
    const rows = greatest.slice(0, GREATEST).map((at) => () => {
      const proposed = row(at, make("small", { class: "end" }, `takes ${THINGS[at].reach.toLocaleString("en")}`), (each) => { goTo(each); toggle(each); });
      const meter = make("i");
      meter.style.setProperty("width", `${(75 * THINGS[at].reach) / most}%`);
      proposed.classList.add("meter");
      proposed.append(meter);
      return proposed;
    });
    find("outcome").replaceChildren(
      make("h2", {}, "Nothing is lost"),
      make("p", {}, "Click anything to lose it, and see what falls. The greatest losses:"),
      list(rows),
    );
    return;
  }
  const chips = [...lost].map((at) => make("button", { type: "button", class: "chip", title: "restore it", click: () => toggle(at) }, ...named(at)));
  find("outcome").replaceChildren(
    make("h2", {}, "Lost"),
    make("div", { class: "chips" }, ...chips, lost.size > 1 ? make("button", { type: "button", class: "quiet", click: restoreAll }, "restore all") : null),
    make("div", { class: "figure" },
      make("b", { class: down ? "" : "well" }, down.toLocaleString("en")),
      make("span", {}, `of ${count(NODES, "node")} down${degraded ? `, ${degraded.toLocaleString("en")} degraded` : ""}`)),
  );
}

function tellChosen() {
  if (chosen === null) return find("chosen").replaceChildren();
  const thing = THINGS[chosen];
  const fate = blast.fates[chosen];
  const facts = [];
  if (thing.gone) facts.push(`found ${thing.gone}`);
  if (thing.claim !== undefined) facts.push(`said to be available ${Number((100 * thing.claim).toPrecision(8))} % of the time`);
  if (thing.fails) facts.push(`fails by itself ${Number((100 * thing.fails.unavailability).toPrecision(3))} % of the time (${thing.fails.source})`);
  if (thing.reach > 1 || !isNode(chosen)) facts.push(`its loss alone takes ${count(thing.reach, "node")} down`);
  find("chosen").replaceChildren(
    make("h2", {}, thing.caption),
    make("div", { class: "title" }, make("b", {}, thing.label), make("span", { class: `state ${fate}` }, WORDS[fate])),
    ...way(),
    ...facts.map((fact) => make("p", { class: "soft" }, fact)),
    make("div", { class: "doing" },
      make("button", { type: "button", class: "lose", click: () => toggle(chosen) }, lost.has(chosen) ? "Restore it" : "Lose it"),
      make("button", { type: "button", click: () => goAround(chosen) }, "What is around it")),
    ...singles(),
    ...needs(thing),
    ...titled("Needed by", DEPENDENTS[chosen].map((at) => () => row(at))),
  );
}

/** Its label, and what it is where that is more than a name: "aws" may be a provider, or an operator of DNS. */
function named(at) {
  const { label, caption, kind } = THINGS[at];
  return kind === "cause" || kind === "zone" ? [label, make("small", {}, ` ${caption}`)] : [label];
}

function titled(title, rows) {
  return rows.length ? [make("h3", {}, title), list(rows)] : [];
}

/** Why it is down, a step a line. */
function way() {
  const steps = blast.because.get(chosen) ?? [];
  if (steps.length < 2) return [];
  const lines = steps.map((at, place) => make("li", { class: isNode(at) || !place ? "" : "shares" }, THINGS[at].label));
  return [make("ol", { class: "way" }, ...lines)];
}

function singles() {
  if (!isNode(chosen)) return [];
  const found = singlePoints(THINGS, DEPENDENTS, chosen, SINGLES_MAX);
  if (found === null) return [];
  if (!found.length) return [make("h3", {}, "No other single loss takes it down")];
  const chips = found.slice(0, LISTED_MAX).map((at) =>
    make("button", { type: "button", class: "quiet", title: `lose ${THINGS[at].name}`, click: () => toggleFrom(at) }, ...named(at)));
  return [make("h3", {}, `${count(found.length, "single loss").replace("losss", "losses")} would take it down`), make("div", { class: "chips" }, ...chips)];
}

/** Lose `at`, and go on telling of what is chosen. */
function toggleFrom(at) {
  if (!lost.delete(at)) lost.add(at);
  judge();
}

function needs(thing) {
  const found = thing.needs.flatMap((need) => {
    const which = need.number === need.parts.length ? "Needs" : `Needs ${need.number} of ${need.parts.length}`;
    const title = need.soft ? which.replace("Needs", "Would rather have") : which;
    return { title, rows: need.parts.map((at, place) => [at, need.by[place]]) };
  });
  if (thing.causes.length) found.push({ title: "Goes down with", rows: thing.causes.map((at, place) => [at, thing.causes_by[place]]) });
  const together = new Map(); // needs that read the same are one list
  for (const { title, rows } of found) together.set(title, [...(together.get(title) ?? []), ...rows]);
  return [...together].flatMap(([title, rows]) => titled(title, rows.map(([at, by]) => () => {
    const told = make("div", {}, row(at));
    if (by.length) told.append(make("span", { class: "by" }, `said by ${by.map((each) => DATA.witnesses[each]).join("; ")}`));
    return told;
  })));
}

/** What fell, first what nothing else hangs on: those are what people see. */
function tellFallen() {
  const parts = [["Down", nodesThat("down")], ["Degraded", nodesThat("degraded")], ["Never up, as they need each other", nodesThat("never")]];
  const hidden = (at) => (DEPENDENTS[at].length ? 1 : 0);
  find("fallen").replaceChildren(...parts.flatMap(([title, found]) => {
    const order = found.sort((one, other) => hidden(one) - hidden(other) || one - other);
    const rows = order.map((at) => () => row(at, blast.because.get(at)?.length > 1 ? because(at) : null));
    return rows.length ? [make("h2", {}, title), list(rows)] : [];
  }));
}

function because(at) {
  const [, ...way] = blast.because.get(at);
  return make("small", { class: "why" }, `by ${way.map((each) => THINGS[each].label).join(" \u2190 ")}`);
}

// Search

const query = find("query");
const hits = find("hits");

/** Things whose name has the words, those first whose label begins with them. */
function search() {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  hits.hidden = !words.length;
  if (!words.length) return;
  const found = [];
  THINGS.forEach((thing, at) => {
    const text = `${thing.name} ${thing.caption}`.toLowerCase();
    if (words.every((word) => text.includes(word))) found.push([thing.label.toLowerCase().startsWith(words[0]) ? 0 : 1, at]);
  });
  found.sort((one, other) => one[0] - other[0] || THINGS[other[1]].reach - THINGS[one[1]].reach);
  hits.replaceChildren(...found.slice(0, HITS_MAX).map(([, at]) => make("li", {}, row(at, null, found_))));
  if (!found.length) hits.append(make("li", {}, "nothing of that name"));
}

function found_(at) {
  query.value = "";
  hits.hidden = true;
  goTo(at);
}

query.addEventListener("input", search);
find("search").addEventListener("keydown", (event) => {
  const rows = [query, ...hits.querySelectorAll("button")];
  const here = rows.indexOf(document.activeElement);
  if (event.key === "Escape") {
    query.value = "";
    hits.hidden = true;
    query.blur();
  } else if (event.key === "Enter" && document.activeElement === query) hits.querySelector("button")?.click();
  else if (event.key === "ArrowDown") rows[Math.min(here + 1, rows.length - 1)].focus();
  else if (event.key === "ArrowUp") rows[Math.max(here - 1, 0)].focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
});
document.addEventListener("pointerdown", (event) => {
  if (!find("search").contains(event.target)) hits.hidden = true;
});

// Start

function showViews() {
  const whole = make("button", { type: "button", "aria-pressed": String(around === null), click: () => { show(null); remember(); } }, "the whole map");
  const part = around === null ? null : make("button", { type: "button", "aria-pressed": "true" }, `around ${THINGS[around].label}`);
  find("views").replaceChildren(...[DATA.drawing ? whole : null, part].filter((each) => each !== null));
}

find("counts").textContent = `${count(NODES, "node")}, ${count(THINGS.length - NODES, "shared cause")}`;
recall();
blast = blastRadius(THINGS, DEPENDENTS, lost);
if (THINGS.length) {
  const greatest = THINGS.reduce((best, thing, at) => (thing.reach > THINGS[best].reach ? at : best), 0);
  show(around ?? (DATA.drawing ? null : [...lost][0] ?? greatest));
  tell();
}
