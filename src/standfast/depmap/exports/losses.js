// What a loss takes with it, as standfast/depmap/loss.py has it, for one loss at a time. Knows no page.
//
// Things are nodes and shared causes, and are told by their place in the list: {needs: [{parts, number, soft}], causes}.
"use strict";

/** For each thing those that need it or share it. */
function dependentsOf(things) {
  const found = things.map(() => []);
  things.forEach((thing, at) => {
    for (const part of new Set([...thing.needs.flatMap((need) => need.parts), ...thing.causes])) found[part].push(at);
  });
  return found;
}

const isMet = (need, works) => need.parts.reduce((count, part) => count + works[part], 0) >= need.number;

/** For each thing `among` all, 1 where it works though `lost` is: the least fixpoint, from "nothing works" upwards. */
function working(things, dependents, lost, among = things.keys()) {
  const works = new Uint8Array(things.length);
  const waiting = [...among];
  const asked = new Uint8Array(things.length);
  const queued = new Uint8Array(things.length);
  for (const at of waiting) asked[at] = queued[at] = 1;
  while (waiting.length) { // ends: a thing that works never stops to
    const at = waiting.pop();
    queued[at] = 0;
    if (works[at] || lost.has(at) || things[at].causes.some((cause) => lost.has(cause))) continue;
    if (!things[at].needs.every((need) => need.soft || isMet(need, works))) continue;
    works[at] = 1;
    for (const other of dependents[at]) {
      if (asked[other] && !works[other] && !queued[other]) {
        queued[other] = 1;
        waiting.push(other);
      }
    }
  }
  return works;
}

/** How each thing fares in the loss: "works", "degraded", "down", "lost" or "never", and why those that are down are. */
function blastRadius(things, dependents, lost) {
  const works = working(things, dependents, lost);
  const before = working(things, dependents, new Set());
  const fates = things.map((thing, at) => {
    if (lost.has(at)) return "lost";
    if (!before[at]) return "never";
    if (!works[at]) return "down";
    return thing.needs.some((need) => need.soft && !isMet(need, works)) ? "degraded" : "works";
  });
  return { fates, works, because: explained(things, dependents, lost, fates, works) };
}

/** For each thing that is down the way from it, itself first, to what was lost. */
function explained(things, dependents, lost, fates, works) {
  const because = new Map();
  const waiting = [];
  things.forEach((thing, at) => {
    const cause = thing.causes.find((each) => lost.has(each));
    if (fates[at] === "lost") because.set(at, [at]);
    else if (fates[at] === "down" && cause !== undefined) because.set(at, [at, cause]);
    if (because.has(at)) waiting.push(at);
  });
  for (let next = 0; next < waiting.length; next++) { // bounded: each thing waits once
    const below = waiting[next];
    for (const at of dependents[below]) {
      if (fates[at] !== "down" || because.has(at)) continue;
      const fell = things[at].needs.some((need) => !need.soft && need.parts.includes(below) && !isMet(need, works));
      if (!fell) continue;
      because.set(at, [at, ...because.get(below)]);
      waiting.push(at);
    }
  }
  return because;
}

/** All that `target` hangs on, softly or not, with itself and their causes; at the most `most` and one more. */
function hangsOn(things, target, most) {
  const found = new Set([target]);
  for (const at of found) { // a set hands out what is added to it on the way
    if (found.size > most) break;
    for (const part of [...things[at].needs.flatMap((need) => need.parts), ...things[at].causes]) found.add(part);
  }
  return found;
}

/** Everything whose loss alone takes `target` down, beside itself; null where that is too much to try. */
function singlePoints(things, dependents, target, most) {
  const candidates = hangsOn(things, target, most);
  if (candidates.size > most) return null;
  if (!working(things, dependents, new Set(), candidates)[target]) return [];
  return [...candidates].filter(
    (at) => at !== target && !working(things, dependents, new Set([at]), candidates)[target],
  );
}
