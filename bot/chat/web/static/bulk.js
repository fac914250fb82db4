// Deciding several gates of one kind together: which are chosen, and the bar that decides them.

import { did, asks, label, noteForm, optionButtons, refused } from "./deciding.js";
import { announce, byId, count, h } from "./dom.js";
import { Refusal, api } from "./net.js";

const MOST = 200;
const NOUNS = { plan: "plan", decision: "decision", question: "question", escalation: "escalation", action: "action" };
const chosen = new Set();
let on = false;
let busy = false;
let act = { open: () => [], take() {}, fold() {}, redraw() {} };
let failures = [];
let writing = "";
let draft = "";
let drawn = "";

/** `open()` has the gates that wait, `take(gate)` hears of newer ones, `fold()` closes all cards, `redraw()` shows the inbox anew. */
export function start(actions) {
  act = actions;
  byId("choose").addEventListener("click", toggle);
  byId("inbox").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && on && !event.target.closest("textarea")) toggle();
  });
}

export const active = () => on;

/** Begin to choose, or leave it. */
export function toggle() {
  if (busy || (!on && act.open().length < 2)) return;
  on = !on;
  chosen.clear();
  [failures, writing, draft, drawn] = [[], "", "", ""];
  if (on) act.fold();
  act.redraw();
  (on ? byId("gates").querySelector(".pick input:not(:disabled)") : byId("choose"))?.focus();
}

const shape = (gate) => JSON.stringify([gate.kind, gate.options]);
const together = () => act.open().filter((gate) => chosen.has(gate.id));

/** Show on each card whether it is chosen or can be, and below them what can be done with those that are. Only what is shown can
 * be chosen. */
export function mark(cards, open) {
  if (on && open.length < 1 && !failures.length) on = false;
  for (const id of chosen) if (!open.some((gate) => gate.id === id)) chosen.delete(id);
  byId("choose").hidden = !on && open.length < 2;
  byId("choose").textContent = on ? "Done" : "Select";
  byId("choose").setAttribute("aria-pressed", String(on));
  byId("gates").classList.toggle("selecting", on);
  const [first] = together();
  for (const card of cards) pick(card, first);
  bar(first, cards.map((card) => card.gate).filter((gate) => gate.state === "open"));
}

function pick(card, first) {
  if (!card.pick) {
    const box = h("input", { type: "checkbox", "aria-label": `Select ${card.gate.id}: ${card.gate.title}`, "data-testid": `pick-${card.gate.id}`, onchange: () => {
      if (box.checked && chosen.size >= MOST) box.checked = false;
      else if (box.checked) chosen.add(card.gate.id);
      else chosen.delete(card.gate.id);
      failures = [];
      act.redraw();
    } });
    card.pick = h("label", { class: "pick" }, box);
    card.element.prepend(card.pick);
  }
  const box = card.pick.firstChild;
  const other = first && shape(card.gate) !== shape(first);
  box.checked = chosen.has(card.gate.id);
  box.disabled = busy || card.gate.state !== "open" || Boolean(other);
  card.pick.hidden = !on || card.gate.state !== "open";
  card.pick.title = other ? `Asks for something else than the ${NOUNS[first.kind]}s you chose` : "";
  card.element.classList.toggle("chosen", on && box.checked);
}

function bar(first, shown) {
  const place = byId("bulk");
  place.hidden = !on;
  const same = first ? shown.filter((gate) => shape(gate) === shape(first)) : [];
  const key = JSON.stringify([on, first && shape(first), chosen.size, same.length, failures, busy, writing]);
  if (drawn === key) return;
  drawn = key;
  if (!on) return place.replaceChildren();
  if (!first) {
    const words = failures.length ? null : h("p", { class: "quiet" }, "Choose gates of one kind; one answer decides them all, each by itself.");
    return place.replaceChildren(...[...complaints(), words].filter(Boolean));
  }
  const these = count(chosen.size, NOUNS[first.kind]);
  const all = same.length > chosen.size && chosen.size < MOST ? h("button", { class: "link", type: "button", "data-testid": "choose-all", onclick: () => { for (const gate of same.slice(0, MOST)) chosen.add(gate.id); act.redraw(); } }, `Select all ${Math.min(same.length, MOST)}`) : null;
  const head = h("p", { class: "bulk-head" }, h("b", {}, `${these} chosen`), all);
  place.replaceChildren(head, ...complaints(), ...(writing ? note() : [buttons(first, these)]));
  for (const each of place.querySelectorAll("button, textarea")) each.disabled = busy;
  if (writing) place.querySelector("textarea").focus();
}

const complaints = () => failures.map((words) => h("p", { class: "gate-words", role: "alert" }, words));

function buttons(first, these) {
  const words = (choice, kind) => (["approve", "answer"].includes(choice) ? `${label(choice, kind)} ${these}` : label(choice, kind));
  const press = (choice) => (asks(choice, first.kind) ? write(choice) : decide(choice));
  return h("div", { class: "gate-actions" }, ...optionButtons(first, press, words));
}

function write(choice) {
  writing = choice;
  act.redraw();
}

/** The form for the words; what is in it outlives a change of what is chosen. */
function note() {
  const words = h("p", { class: "gate-words", role: "alert" });
  const { form, field } = noteForm(writing, { send: (said) => decide(writing, said), back: () => write(""), complain: (text) => (words.textContent = text) });
  field.value = draft;
  field.addEventListener("input", () => (draft = field.value));
  return [words, form];
}

async function decide(choice, words = "") {
  if (busy) return;
  const gates = together().map(({ id, revision, digest }) => ({ id, revision, digest }));
  [busy, failures] = [true, []];
  act.redraw();
  try {
    const { results } = await api("/api/gates/decisions", { gates, choice, note: words });
    const failed = results.filter((each) => !each.decided);
    for (const each of results) if (each.gate) act.take(each.gate);
    failures = failed.map((each) => `${each.id}: ${refused(new Refusal(0, { error: each.error, decision: each.gate?.decision }))}`);
    announce(`${results.length - failed.length} of ${results.length} ${did(choice)}.`);
    for (const each of results) chosen.delete(each.id);
    [writing, draft] = ["", ""];
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    failures = [refusal.words];
  } finally {
    busy = false;
    if (!failures.length) on = false;
    act.redraw();
  }
}
