// The right column: every gate that waits, most urgent first, and what was decided lately.

import { age, announce, arrange, byId, h, mark } from "./dom.js";
import { GateCard, KINDS, outcome } from "./gate.js";

const URGENT = ["escalation", "question", "plan", "decision", "action"];
const LINGER = 6000;
const gates = new Map();
const cards = new Map();
const lingering = new Set();
const watchers = new Set();
let talk = () => {};

/** `fill(text)` puts words into the composer, for the empty inbox to teach with. */
export function start(fill) {
  talk = fill;
  draw();
}

export const gateOf = (id) => gates.get(id);
export const waiting = () => [...gates.values()].filter((gate) => gate.state === "open").sort(urgentFirst);

/** Hear of every change of a gate. */
export const watch = (watcher) => watchers.add(watcher);

/** Take in a gate as it is now; `quietly` while the page is being filled. */
export function take(gate, quietly = false) {
  const before = gates.get(gate.id);
  if (before && Date.parse(before.updated_at) > Date.parse(gate.updated_at)) return;
  gates.set(gate.id, gate);
  if (before?.state === "open" && gate.state !== "open") linger(gate.id);
  if (!quietly && gate.state === "open" && before?.state !== "open") {
    announce(`${KINDS[gate.kind]} of ${gate.product} waits for you: ${gate.title}`);
  }
  cards.get(gate.id)?.update(gate);
  for (const watcher of watchers) watcher(gate);
  draw();
}

function linger(id) {
  lingering.add(id);
  setTimeout(() => {
    const card = cards.get(id);
    if (card?.element.matches(":hover") || card?.element.contains(document.activeElement)) return linger(id);
    lingering.delete(id);
    draw();
  }, LINGER);
}

const urgentFirst = (a, b) =>
  URGENT.indexOf(a.kind) - URGENT.indexOf(b.kind) || Date.parse(a.created_at) - Date.parse(b.created_at) || Number(a.id.slice(1)) - Number(b.id.slice(1));

function draw() {
  const open = waiting();
  const shown = [...gates.values()].filter((gate) => gate.state === "open" || lingering.has(gate.id)).sort(urgentFirst);
  shown.forEach((gate, at) => {
    if (!cards.has(gate.id)) cards.set(gate.id, new GateCard(gate, { open: at === 0 || shown.length <= 2, settled: take }));
  });
  for (const id of cards.keys()) if (!shown.some((gate) => gate.id === id)) cards.delete(id);
  if (open.length && !open.some((gate) => cards.get(gate.id).open)) cards.get(open[0].id).setOpen(true);
  arrange(byId("gates"), shown.map((gate) => cards.get(gate.id).element));
  for (const id of ["inbox-count", "tab-count"]) {
    byId(id).textContent = open.length || "";
    byId(id).hidden = !open.length;
  }
  document.title = open.length ? `(${open.length}) Fleet` : "Fleet";
  empty(shown.length === 0);
  recent();
}

function empty(none) {
  const place = byId("inbox-empty");
  if (!none) place.replaceChildren();
  else if (!place.children.length) {
    place.append(
      h("div", { class: "empty", "data-testid": "inbox-empty" },
        mark("done"),
        h("h3", {}, "Nothing waits for you"),
        h("p", {}, "Plans, questions and escalations of your products appear here, with their buttons. Nothing is ever decided by waiting."),
        h("button", { class: "button plain small", type: "button", onclick: () => talk("/fleet spawn ") }, "Give a product something to do")),
    );
  }
}

function recent() {
  const done = [...gates.values()]
    .filter((gate) => gate.state !== "open" && !lingering.has(gate.id))
    .sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at))
    .slice(0, 12);
  byId("recent").hidden = !done.length;
  byId("recent-list").replaceChildren(
    ...done.map((gate) => h("li", {}, h("p", {}, h("b", {}, gate.title), h("span", { class: "quiet" }, ` ${gate.product} · `, age(gate.updated_at))), outcome(gate))),
  );
}
