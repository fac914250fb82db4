// The inbox: every open gate, most urgent first, and the recent decisions.

import * as bulk from "./bulk.js";
import { age, announce, arrange, byId, h } from "./dom.js";
import { GateCard, KINDS, outcome } from "./gate.js";
import { api } from "./net.js";
import { mark } from "./states.js";

const LINGER = 6000;
const STEP = 40;
const RECENT = 12;
const gates = new Map();
const cards = new Map();
const lingering = new Set();
const watchers = new Set();
let order = new Set();
const ranks = new Map(); // of decided gates too, so that a gate disappears from the place it had
let shown = STEP;
let loading = false;
let compose = () => {};

/** `fill(text)` puts text into the composer. The empty inbox uses it. */
export function start(fill) {
  compose = fill;
  const list = byId("gates");
  const settle = () => setTimeout(() => !reading() && draw(), 50);
  list.addEventListener("pointerleave", settle);
  list.addEventListener("focusout", settle);
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
const openGates = () => [...gates.values()].filter((gate) => gate.state === "open");

/** Call a function with every changed gate. */
export const watch = (watcher) => watchers.add(watcher);

/** Take the fleet's order of its open gates, most urgent first, and load the gates that are not known here. */
export function arrangeBy(ids) {
  if (ids.join() !== [...order].join()) {
    order = new Set(ids);
    ids.forEach((id, at) => ranks.set(id, at));
    draw();
  }
  const open = new Set(openGates().map((gate) => gate.id));
  load([...ids.slice(0, shown).filter((id) => !open.has(id)), ...[...open].filter((id) => !order.has(id))]);
}

/** Count the open gates, loaded or not. */
export const total = () => new Set([...openGates().map((gate) => gate.id), ...[...order].filter((id) => (gates.get(id)?.state ?? "open") === "open")]).size;

/** Catch up after connecting: load the newest gates and the current state of the open ones. */
export async function catchUp() {
  const { gates: newest } = await api("/api/gates?limit=40");
  for (const gate of newest) take(gate, true);
  await load(openGates().map((gate) => gate.id));
}

/** Load gates by their ids. Changes that arrive meanwhile are loaded after the next status. */
async function load(ids) {
  if (!ids.length || loading) return;
  loading = true;
  const found = await api(`/api/gates?ids=${ids.slice(0, 200).join()}`).catch(() => null);
  loading = false;
  for (const gate of found?.gates ?? []) take(gate, true);
}

/** Take the current state of a gate. With `quietly`, a new gate is not announced. */
export function take(gate, quietly = false) {
  const before = gates.get(gate.id);
  if (before && Date.parse(before.updated_at) > Date.parse(gate.updated_at)) return;
  const known = before?.digest === gate.digest && gate.html === undefined ? { html: before.html, diff: before.diff } : {};
  gates.set(gate.id, { ...gate, ...known });
  if (before?.state === "open" && gate.state !== "open") linger(gate.id);
  if (!quietly && gate.state === "open" && before?.state !== "open") {
    announce(`${KINDS[gate.kind]} of ${gate.product || "the fleet"} needs your decision: ${gate.title}`);
  }
  cards.get(gate.id)?.update(gate);
  for (const watcher of watchers) watcher(gate);
  soon();
}

/** Keep a decided gate visible for a while, and as long as someone reads it. */
function linger(id) {
  lingering.add(id);
  setTimeout(() => {
    const card = cards.get(id);
    if (card?.element.matches(":hover") || card?.element.contains(document.activeElement)) return linger(id);
    lingering.delete(id);
    draw();
  }, LINGER);
}

const byUrgency = (a, b) => rank(a) - rank(b) || Date.parse(a.created_at) - Date.parse(b.created_at) || Number(a.id.slice(1)) - Number(b.id.slice(1));
const rank = (gate) => ranks.get(gate.id) ?? order.size;

/** Return true while someone reads the inbox. Nothing in it moves then. */
function reading() {
  const list = byId("gates");
  return (matchMedia("(hover: hover)").matches && list.matches(":hover")) || list.contains(document.activeElement);
}

let due = false;
/** Draw once for all changes that arrive together. */
function soon() {
  if (due) return;
  due = true;
  queueMicrotask(() => {
    due = false;
    draw();
  });
}

function draw() {
  const open = openGates().sort(byUrgency);
  const all = total();
  const wanted = listed(open);
  wanted.forEach((gate, at) => {
    if (!cards.has(gate.id)) cards.set(gate.id, new GateCard(gate, { open: at === 0 || wanted.length <= 2, settled: take, loaded: (full) => take(full, true) }));
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
  byId("more-gates").textContent = `Show ${Math.min(STEP, all - shown)} of ${all - shown} more`;
  empty(wanted.length === 0);
  recent();
}

/** List the most urgent open gates, and the gates that were decided just now. */
function listed(open) {
  const first = open.slice(0, shown);
  const fresh = [...first, ...[...gates.values()].filter((gate) => lingering.has(gate.id) && gate.state !== "open")];
  const now = new Map([...byId("gates").children].map((child, at) => [child.dataset.gate, at]));
  if (!reading()) return fresh.sort(byUrgency);
  return fresh.sort((a, b) => (now.get(a.id) ?? now.size) - (now.get(b.id) ?? now.size) || byUrgency(a, b));
}

function empty(none) {
  const area = byId("inbox-empty");
  if (!none) area.replaceChildren();
  else if (!area.children.length) {
    area.append(
      h("div", { class: "empty", "data-testid": "inbox-empty" },
        mark("done"),
        h("h3", {}, "No decisions needed"),
        h("p", {}, "Plans, questions and escalations appear here with their buttons. They stay open until you decide."),
        h("button", { class: "button plain small", type: "button", onclick: () => compose("/fleet spawn ") }, "Start work")),
    );
  }
}

function recent() {
  const decided = [...gates.values()]
    .filter((gate) => gate.state !== "open" && !lingering.has(gate.id))
    .sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at))
    .slice(0, RECENT);
  byId("recent").hidden = !decided.length;
  byId("recent-list").replaceChildren(
    ...decided.map((gate) => h("li", {}, h("p", {}, h("a", { href: `/gates/${gate.id}` }, gate.title), h("span", { class: "quiet" }, ` ${gate.product} · `, age(gate.updated_at))), outcome(gate))),
  );
}
