// Where to draw what is around one thing: columns by how many steps it is away. Knows no page.
"use strict";

const COLUMN_MAX = 24; // things above each other
const COLUMNS_AROUND = 2; // to each side
const BOX = { width: 216, height: 38, gapX: 92, gapY: 12 };
const PORT_GAP = 13;

/** What hangs on `center` to the left, what it hangs on to the right, with what each column has no room for as a note. */
function neighbourhood(things, dependents, edgesAmong, center) {
  const onward = (at) => [...new Set([...things[at].needs.flatMap((need) => need.parts), ...things[at].causes])];
  const places = new Map();
  const notes = [];
  placeColumn(places, [center], 0);
  for (const [side, next] of [[1, onward], [-1, (at) => dependents[at]]]) {
    let row = [center];
    for (let step = 1; step <= COLUMNS_AROUND; step++) {
      const ledBy = new Map(); // what is there -> how far down those are that lead to it
      for (const at of row) {
        for (const other of next(at)) {
          if (!places.has(other)) ledBy.set(other, [...(ledBy.get(other) ?? []), places.get(at).y]);
        }
      }
      const found = [...ledBy.keys()].sort((one, other) => things[other].reach - things[one].reach || one - other);
      const mean = (at) => ledBy.get(at).reduce((sum, y) => sum + y, 0) / ledBy.get(at).length;
      row = found.slice(0, COLUMN_MAX).sort((one, other) => mean(one) - mean(other) || one - other);
      const { x, bottom } = placeColumn(places, row, side * step);
      const more = found.length - row.length;
      if (more) notes.push({ x: x + 4, y: bottom + 22, text: `and ${more.toLocaleString("en")} more` });
    }
  }
  const top = Math.min(...[...places.values()].map((place) => place.y));
  for (const each of [...places.values(), ...notes]) each.y -= top;
  const bottom = Math.max(...[...places.values()].map((place) => place.y + place.height));
  const width = (2 * COLUMNS_AROUND + 1) * (BOX.width + BOX.gapX) - BOX.gapX;
  return { size: [width, bottom + (notes.length ? 30 : 0)], places, notes, ...edgesDrawn(places, edgesAmong(places)) };
}

function placeColumn(places, row, column) {
  const x = (column + COLUMNS_AROUND) * (BOX.width + BOX.gapX);
  const bottom = (row.length * (BOX.height + BOX.gapY) - BOX.gapY) / 2;
  row.forEach((at, place) => {
    places.set(at, { x, y: place * (BOX.height + BOX.gapY) - bottom, width: BOX.width, height: BOX.height });
  });
  return { x, bottom };
}

/** The ways of `edges`; a need of some of many has a badge where its edges leave. */
function edgesDrawn(places, edges) {
  const ports = new Map(); // thing -> its needs of some of many
  for (const { start, need } of edges) {
    if (isChoice(need)) ports.set(start, new Set([...(ports.get(start) ?? []), need]));
  }
  const leaves = ({ start, need }) => {
    const { x, y, width, height } = places.get(start);
    const order = [...(ports.get(start) ?? [])];
    const shift = isChoice(need) ? order.indexOf(need) - (order.length - 1) / 2 : 0;
    return [x + width, y + height / 2 + shift * PORT_GAP];
  };
  const badges = new Map();
  const routes = edges.filter(({ start, end }) => start !== end).map((edge) => {
    const [x, y] = leaves(edge);
    if (isChoice(edge.need)) badges.set(edge.need, [edge.start, `${edge.need.number} of ${edge.need.parts.length}`, x, y]);
    return [edge, bend(x, y, places.get(edge.end))];
  });
  return { routes, badges: [...badges.values()] };
}

const isChoice = (need) => need !== null && need.number < need.parts.length;

/** From a right side to the left side of `end`; to what is not further right, around its right side. */
function bend(x, y, end) {
  const toY = end.y + end.height / 2;
  if (end.x > x) {
    const middle = (x + end.x) / 2;
    return `M${x} ${y}C${middle} ${y} ${middle} ${toY} ${end.x} ${toY}`;
  }
  const right = end.x + end.width;
  return `M${x} ${y}C${x + 50} ${y} ${right + 50} ${toY} ${right} ${toY}`;
}
