// The right column: every gate that waits, what hurts most first, and what was decided lately.

import * as bulk from "./bulk.js";
import { age, announce, arrange, byId, h, mark } from "./dom.js";
import { GateCard, KINDS, outcome } from "./gate.js";
import { api } from "./net.js";

const LINGER = 6000;
const STEP = 40;
const gates = new Map();
const cards = new Map();
const lingering = new Set();
const watchers = new Set();
let order = new Set();
const ranks = new Map(); // of those that were decided, too: they leave where they stood
let shown = STEP;
let reads = false;
let talk = () => {};

/** `fill(text)` puts words into the composer, for the empty inbox to teach with. */
export function start(fill) {
  talk = fill;
  const place = byId("gates");
  const settle = () => setTimeout(() => !reading() && draw(), 50);
  place.addEventListener("pointerleave", settle);
  place.addEventListener("focusout", settle);
  byId("more-gates").addEventListener("click", () => {
    shown += STEP;
    draw();
    arrangeBy([...order]);
  });
  const fold = () => cards.forEach((card) => card.setOpen(false));
  bulk.start({ open: openGates, take, fold, redraw: draw });
  draw();
}

export const gateOf = (id) => gates.get(id);
export const waiting = () => openGates().sort(hurtingFirst);
const openGates = () => [...gates.values()].filter((gate) => gate.state === "open");

/** Hear of every change of a gate. */
export const watch = (watcher) => watchers.add(watcher);

/** How the fleet orders its open gates now: their ids, what hurts most first. What it tells of and is not known here is read. */
export function arrangeBy(ids) {
  if (ids.join() !== [...order].join()) {
    order = new Set(ids);
    ids.forEach((id, at) => ranks.set(id, at));
    draw();
  }
  const open = new Set(openGates().map((gate) => gate.id));
  read([...ids.slice(0, shown).filter((id) => !open.has(id)), ...[...open].filter((id) => !order.has(id))]);
}

/** How many wait, known here or not. */
export const total = () => new Set([...openGates().map((gate) => gate.id), ...[...order].filter((id) => (gates.get(id)?.state ?? "open") === "open")]).size;

/** Catch up after connecting: what was decided lately, and those that wait, as they are now. */
export async function catchUp() {
  const { gates: lately } = await api("/api/gates?limit=40");
  for (const gate of lately) take(gate, true);
  await read(openGates().map((gate) => gate.id));
}

/** Read gates by their ids. What is told of a gate while it is read is read again with the next status. */
async function read(ids) {
  if (!ids.length || reads) return;
  reads = true;
  const found = await api(`/api/gates?ids=${ids.slice(0, 200).join()}`).catch(() => null);
  reads = false;
  for (const gate of found?.gates ?? []) take(gate, true);
}

/** Take in a gate as it is now; `quietly` while the page is being filled. */
export function take(gate, quietly = false) {
  const before = gates.get(gate.id);
  if (before && Date.parse(before.updated_at) > Date.parse(gate.updated_at)) return;
  const known = before?.digest === gate.digest && gate.html === undefined ? { html: before.html, diff: before.diff } : {};
  gates.set(gate.id, { ...gate, ...known });
  if (before?.state === "open" && gate.state !== "open") linger(gate.id);
  if (!quietly && gate.state === "open" && before?.state !== "open") {
    announce(`${KINDS[gate.kind]} of ${gate.product || "the fleet"} waits for you: ${gate.title}`);
  }
  cards.get(gate.id)?.update(gate);
  for (const watcher of watchers) watcher(gate);
  soon();
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

const hurtingFirst = (a, b) => rank(a) - rank(b) || Date.parse(a.created_at) - Date.parse(b.created_at) || Number(a.id.slice(1)) - Number(b.id.slice(1));
const rank = (gate) => ranks.get(gate.id) ?? order.size;

/** Whether somebody reads the inbox; then nothing in it changes its place. */
function reading() {
  const list = byId("gates");
  return (matchMedia("(hover: hover)").matches && list.matches(":hover")) || list.contains(document.activeElement);
}

let due = false;
/** Draw once for all that arrives together. */
function soon() {
  if (due) return;
  due = true;
  queueMicrotask(() => {
    due = false;
    draw();
  });
}

function draw() {
  const open = waiting();
  const all = total();
  const wanted = listed(open);
  wanted.forEach((gate, at) => {
    if (!cards.has(gate.id)) cards.set(gate.id, new GateCard(gate, { open: at === 0 || wanted.length <= 2, settled: take, learnt: (whole) => take(whole, true) }));
  });
  for (const id of cards.keys()) if (!wanted.some((gate) => gate.id === id)) cards.delete(id);
  if (open.length && !bulk.active() && !open.some((gate) => cards.get(gate.id)?.open)) cards.get(open[0].id)?.setOpen(true);
  bulk.mark(wanted.map((gate) => cards.get(gate.id)), open);
  arrange(byId("gates"), wanted.map((gate) => cards.get(gate.id).element));
  for (const id of ["inbox-count", "tab-count"]) {
    byId(id).textContent = all || "";
    byId(id).hidden = !all;
  }
  document.title = all ? `(${all}) Fleet` : "Fleet";
  byId("more-gates").hidden = all <= shown;
  byId("more-gates").textContent = `Show ${Math.min(STEP, all - shown)} more of ${all - shown}`;
  empty(wanted.length === 0);
  recent();
}

/** What stands in the column: the first of those that wait, and what has just been decided where it stood. */
function listed(open) {
  const first = open.slice(0, shown);
  const fresh = [...first, ...[...gates.values()].filter((gate) => lingering.has(gate.id) && gate.state !== "open")];
  const now = new Map([...byId("gates").children].map((child, at) => [child.dataset.gate, at]));
  if (!reading()) return fresh.sort(hurtingFirst);
  return fresh.sort((a, b) => (now.get(a.id) ?? now.size) - (now.get(b.id) ?? now.size) || hurtingFirst(a, b));
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
    ...done.map((gate) => h("li", {}, h("p", {}, h("a", { href: `/gates/${gate.id}` }, gate.title), h("span", { class: "quiet" }, ` ${gate.product} · `, age(gate.updated_at))), outcome(gate))),
  );
}
