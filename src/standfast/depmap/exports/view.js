// The map as it is drawn, moved and clicked. Every name goes in as text, none as markup.
"use strict";

const WAVE_S = 0.14; // by which each step of a fall is seen later than the one before
const LABEL_MAX = { whole: 34, around: 22 }; // letters in a box
const SCALE = { least: 0.05, most: 3, found: 1 };
const DRAG_PX = 5; // that a hand may move in a click

const DATA = JSON.parse(document.getElementById("data").textContent);
const THINGS = DATA.things;
const DEPENDENTS = dependentsOf(THINGS);
const NODES = THINGS.filter((thing) => thing.kind !== "cause").length;
const EDGES = THINGS.flatMap((thing, start) => [
  ...thing.needs.flatMap((need) => need.parts.map((end, at) => ({ start, end, need, by: need.by[at] }))),
  ...thing.causes.map((end, at) => ({ start, end, need: null, by: thing.causes_by[at] })),
]);
const WORDS = { works: "works", degraded: "degraded", down: "down", lost: "lost", never: "never up" };

const find = (id) => document.getElementById(id);
const svg = find("map");
const lost = new Set(DATA.lost);
let chosen = null; // the thing that the panel tells of
let around = null; // the thing whose neighbourhood is shown; null: the whole map is
let blast = blastRadius(THINGS, DEPENDENTS, lost);
let places = new Map(); // of what is drawn: {x, y, width, height}
let elements = new Map();
let wires = []; // [edge, element]
let size = [1, 1];
let camera = { x: 0, y: 0, scale: 1 };

function show(what) {
  around = what;
  const drawing = what === null ? wholeMap() : neighbourhood(THINGS, DEPENDENTS, edgesAmong, what);
  ({ places, size } = drawing);
  const world = draw("g");
  wires = drawing.routes.map(([edge, path]) => [edge, draw("path", { d: path })]);
  elements = new Map([...places.keys()].map((at) => [at, drawnThing(at)]));
  world.append(...wires.map(([, element]) => element), ...elements.values(), ...drawing.badges.map(drawnBadge));
  world.append(...drawing.notes.map(({ x, y, text }) => draw("text", { x, y, class: "more" }, text)));
  svg.replaceChildren(world);
  seeAll();
  paint();
  showViews();
}

function wholeMap() {
  const { size, boxes, routes, badges } = DATA.drawing;
  const placed = boxes.map(([x, y, width, height], at) => [at, { x, y, width, height }]);
  return { size, places: new Map(placed), routes: EDGES.map((edge, at) => [edge, routes[at]]), badges, notes: [] };
}

const edgesAmong = (some) => EDGES.filter(({ start, end }) => some.has(start) && some.has(end));

// Elements

function draw(tag, attributes = {}, text = null) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== null) element.textContent = text;
  return element;
}

function drawnThing(at) {
  const { label, caption } = THINGS[at];
  const { x, y, width, height } = places.get(at);
  const group = draw("g", { transform: `translate(${x} ${y})`, role: "button", tabindex: -1, "data-at": at });
  group.append(
    draw("rect", { class: "ring", x: -4, y: -4, width: width + 8, height: height + 8, rx: 10 }),
    draw("rect", { class: "box", width, height, rx: 7 }),
    draw("rect", { class: "stripe", x: 7, y: 8, width: 3, height: height - 16, rx: 1.5 }),
    draw("text", { class: "caption", x: 17, y: 14 }, caption),
    draw("text", { class: "label", x: 17, y: 29 }, short(label, LABEL_MAX[around === null ? "whole" : "around"])),
    draw("title"),
  );
  return group;
}

function drawnBadge([, text, x, y]) {
  const badge = draw("g", { class: "badge" });
  badge.append(
    draw("rect", { x: x - 15, y: y - 6, width: 30, height: 12, rx: 6 }),
    draw("text", { x, y: y + 3, "text-anchor": "middle" }, text),
  );
  return badge;
}

function short(text, most) {
  const half = most >> 1;
  return text.length <= most ? text : `${text.slice(0, half)}\u2026${text.slice(1 - half)}`;
}

// Losing, and what is seen of it

function toggle(at) {
  if (!lost.delete(at)) lost.add(at);
  choose(at);
  judge();
}

function restoreAll() {
  lost.clear();
  judge();
}

function judge() {
  blast = blastRadius(THINGS, DEPENDENTS, lost);
  paint();
  tell();
  remember();
}

/** Colour everything by how it fares; what fell later in a fall is seen to do so later. */
function paint() {
  const way = blast.because.get(chosen) ?? [];
  for (const [at, element] of elements) {
    const { kind, name } = THINGS[at];
    const fate = blast.fates[at];
    element.setAttribute("class", `thing ${kind.split(" ").pop()} ${fate}${at === chosen ? " chosen" : ""}`);
    element.setAttribute("aria-pressed", lost.has(at));
    element.setAttribute("aria-label", `${name}, ${THINGS[at].caption}, ${WORDS[fate]}`);
    element.setAttribute("tabindex", at === (elements.has(chosen) ? chosen : elements.keys().next().value) ? 0 : -1);
    element.lastChild.textContent = `${name}: ${WORDS[fate]}`;
    element.style.setProperty("--wait", `${((blast.because.get(at)?.length ?? 1) - 1) * WAVE_S}s`);
  }
  for (const [{ start, end, need }, element] of wires) {
    const broken = !blast.works[end] && (need === null || !isMet(need, blast.works));
    const step = way.indexOf(start);
    const words = ["edge", need === null && "cause", need?.soft && "soft", broken && (need?.soft ? "degraded" : "down")];
    words.push((start === chosen || end === chosen) && "near", step >= 0 && way[step + 1] === end && "way");
    element.setAttribute("class", words.filter(Boolean).join(" "));
    element.style.setProperty("--wait", `${((blast.because.get(end)?.length ?? 1) - 1) * WAVE_S}s`);
  }
}

// Choosing

function choose(at, { focus = false } = {}) {
  chosen = at;
  if (focus) elements.get(at)?.focus({ preventScroll: true });
  paint();
  tell();
  remember();
}

/** Choose a thing that may not be drawn, or not be in sight. */
function goTo(at) {
  if (!elements.has(at) || around !== null) {
    chosen = at;
    show(DATA.drawing && around === null ? null : at);
  }
  choose(at, { focus: true });
  const { x, y, width, height } = places.get(at);
  const { width: seen, height: high } = svg.getBoundingClientRect();
  const scale = around === null ? Math.max(camera.scale, Math.min(SCALE.found, 0.8)) : camera.scale;
  camera = { scale, x: seen / 2 - (x + width / 2) * scale, y: high / 2 - (y + height / 2) * scale };
  moved();
}

/** Along the edges to the left and right, along the column up and down; else to what is nearest that way. */
function neighbour(at, key) {
  const here = places.get(at);
  const sideways = key === "ArrowLeft" ? -1 : key === "ArrowRight" ? 1 : 0;
  const down = key === "ArrowUp" ? -1 : key === "ArrowDown" ? 1 : 0;
  let best = null;
  let least = Infinity;
  for (const [other, there] of places) {
    const dx = there.x - here.x;
    const dy = there.y - here.y;
    if (sideways ? dx * sideways <= 0 : Math.abs(dx) > 1 || dy * down <= 0) continue;
    const leads = EDGES.length && (DEPENDENTS[at].includes(other) || DEPENDENTS[other].includes(at));
    const far = Math.abs(dx) + Math.abs(dy) * 2 + (sideways && !leads ? 1e6 : 0);
    if (far < least) [best, least] = [other, far];
  }
  return best;
}

// Moving

function moved() {
  svg.firstChild.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.scale})`);
}

function seeAll() {
  const { width, height } = svg.getBoundingClientRect();
  const room = { left: 28, right: 28, top: 96, bottom: 64 };
  const across = (width - room.left - room.right) / size[0];
  const scale = Math.max(SCALE.least, Math.min(across, (height - room.top - room.bottom) / size[1], 1.25));
  const x = Math.max(room.left, (width - size[0] * scale) / 2);
  camera = { scale, x, y: Math.max(room.top, room.top + (height - room.top - room.bottom - size[1] * scale) / 2) };
  moved();
}

function zoom(factor, x, y) {
  const scale = Math.min(SCALE.most, Math.max(SCALE.least, camera.scale * factor));
  const by = scale / camera.scale;
  camera = { scale, x: x - (x - camera.x) * by, y: y - (y - camera.y) * by };
  moved();
}

function zoomAtMiddle(factor) {
  const { width, height } = svg.getBoundingClientRect();
  zoom(factor, width / 2, height / 2);
}

const ZOOMS = { in: () => zoomAtMiddle(1.3), out: () => zoomAtMiddle(1 / 1.3), all: seeAll };

// Hands

const thingOf = (target) => {
  const element = target.closest?.("[data-at]");
  return element ? Number(element.getAttribute("data-at")) : null;
};
let drag = null;

svg.addEventListener("pointerdown", (event) => {
  if (event.button === 0) drag = { x: event.clientX, y: event.clientY, camera: { ...camera }, far: false };
});
svg.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.far && Math.hypot(dx, dy) < DRAG_PX) return;
  if (!drag.far) svg.setPointerCapture(event.pointerId); // not before: a capture would take the click from the thing
  drag.far = true;
  svg.classList.add("moving");
  camera = { ...camera, x: drag.camera.x + dx, y: drag.camera.y + dy };
  moved();
});
svg.addEventListener("click", (event) => {
  const at = thingOf(event.target);
  const wasDrag = drag?.far;
  drag = null;
  svg.classList.remove("moving");
  if (at === null || wasDrag) return;
  if (event.shiftKey || event.altKey) goAround(at);
  else toggle(at);
});
svg.addEventListener("pointercancel", () => { drag = null; });
svg.addEventListener("focusin", (event) => {
  const at = thingOf(event.target);
  if (at !== null && at !== chosen) choose(at);
});
svg.addEventListener("wheel", (event) => {
  event.preventDefault();
  const { left, top } = svg.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - left, event.clientY - top);
}, { passive: false });
find("zoom").addEventListener("click", (event) => ZOOMS[event.target.dataset.zoom]?.());
window.addEventListener("resize", seeAll);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches?.("input")) return;
  const at = thingOf(event.target);
  const onThing = {
    Enter: () => toggle(at),
    " ": () => toggle(at),
    f: () => goAround(at),
  };
  const anywhere = {
    "/": () => find("query").focus(),
    Escape: restoreAll,
    "+": ZOOMS.in,
    "-": ZOOMS.out,
    0: seeAll,
  };
  const arrow = at !== null && event.key.startsWith("Arrow");
  const act = arrow ? () => step(at, event.key) : (at !== null && onThing[event.key]) || anywhere[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

function step(at, key) {
  const other = neighbour(at, key);
  if (other === null) return;
  choose(other, { focus: true });
  const { x, y, width, height } = places.get(other);
  const seen = svg.getBoundingClientRect();
  const [left, top] = [x * camera.scale + camera.x, y * camera.scale + camera.y];
  if (left < 0 || top < 0 || left + width * camera.scale > seen.width || top + height * camera.scale > seen.height) goTo(other);
}

function goAround(at) {
  chosen = at;
  show(at);
  choose(at, { focus: true });
}

// What is shown and lost is in the address, so that it can be sent to somebody

function remember() {
  const said = new URLSearchParams();
  for (const at of lost) said.append("lost", THINGS[at].name);
  if (around !== null) said.set("around", THINGS[around].name);
  history.replaceState(null, "", `#${said}`);
}

function recall() {
  if (location.hash.length < 2) return;
  const said = new URLSearchParams(location.hash.slice(1));
  const places = new Map(THINGS.map((thing, at) => [thing.name, at]));
  const known = (names) => names.map((name) => places.get(name)).filter((at) => at !== undefined);
  lost.clear();
  for (const at of known(said.getAll("lost"))) lost.add(at);
  [around = null] = known(said.getAll("around"));
}
