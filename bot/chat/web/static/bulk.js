// Deciding several gates of one kind together: the selection, and the bar with the buttons.

import { did, label, noteForm, optionButtons, refused, takesNote } from "./decision.js";
import { announce, byId, count, h, rich, sentence } from "./dom.js";
import { Refusal, api } from "./net.js";

const MOST = 200;
const selected = new Set();
let on = false;
let busy = false;
let act = { open: () => [], take() {}, fold() {}, redraw() {} };
let failures = [];
let writing = "";
let draft = "";
let drawn = "";

/** `open()` returns the open gates, `take(gate)` gets newer states, `fold()` closes all cards, `redraw()` draws the inbox. */
export function start(actions) {
  act = actions;
  byId("select").addEventListener("click", toggle);
  byId("inbox").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && on && !event.target.closest("textarea")) toggle();
  });
}

export const active = () => on;

/** Start or end the selection. */
export function toggle() {
  if (busy || (!on && act.open().length < 2)) return;
  on = !on;
  selected.clear();
  [failures, writing, draft, drawn] = [[], "", "", ""];
  if (on) act.fold();
  act.redraw();
  (on ? byId("gates").querySelector(".pick input:not(:disabled)") : byId("select"))?.focus();
}

const shape = (gate) => JSON.stringify([gate.kind, gate.options]);
const together = () => act.open().filter((gate) => selected.has(gate.id));

/** Draw the checkbox of each card and the bar. Only visible gates can be selected. */
export function mark(cards, open) {
  if (on && open.length < 1 && !failures.length) on = false;
  for (const id of selected) if (!open.some((gate) => gate.id === id)) selected.delete(id);
  byId("select").hidden = !on && open.length < 2;
  byId("select").textContent = on ? "Cancel" : "Select";
  byId("select").setAttribute("aria-pressed", String(on));
  byId("gates").classList.toggle("selecting", on);
  const [first] = together();
  for (const card of cards) pick(card, first);
  bar(first, cards.map((card) => card.gate).filter((gate) => gate.state === "open"));
}

function pick(card, first) {
  if (!card.pick) {
    const box = h("input", { type: "checkbox", "aria-label": `Select ${card.gate.id}: ${card.gate.title}`, "data-testid": `pick-${card.gate.id}`, onchange: () => {
      if (box.checked && selected.size >= MOST) box.checked = false;
      else if (box.checked) selected.add(card.gate.id);
      else selected.delete(card.gate.id);
      failures = [];
      act.redraw();
    } });
    card.pick = h("label", { class: "pick" }, box);
    card.element.prepend(card.pick);
  }
  const box = card.pick.firstChild;
  const other = first && shape(card.gate) !== shape(first);
  box.checked = selected.has(card.gate.id);
  box.disabled = busy || card.gate.state !== "open" || Boolean(other);
  card.pick.hidden = !on || card.gate.state !== "open";
  card.pick.title = other ? `Cannot be decided together with ${count(selected.size, first.kind)}` : "";
  card.element.classList.toggle("selected", on && box.checked);
}

function bar(first, shown) {
  const element = byId("bulk");
  element.hidden = !on;
  const same = first ? shown.filter((gate) => shape(gate) === shape(first)) : [];
  const key = JSON.stringify([on, first && shape(first), selected.size, same.length, failures, busy, writing]);
  if (drawn === key) return;
  drawn = key;
  if (!on) return element.replaceChildren();
  if (!first) {
    const hint = failures.length ? null : h("p", { class: "quiet" }, "Select gates of one kind to decide them together.");
    return element.replaceChildren(...[...errors(), hint].filter(Boolean));
  }
  const these = count(selected.size, first.kind);
  const all = same.length > selected.size && selected.size < MOST ? h("button", { class: "link", type: "button", "data-testid": "select-all", onclick: () => { for (const gate of same.slice(0, MOST)) selected.add(gate.id); act.redraw(); } }, `Select all ${Math.min(same.length, MOST)}`) : null;
  const head = h("p", { class: "bulk-head" }, h("b", {}, `${these} selected`), all);
  element.replaceChildren(head, ...errors(), ...(writing ? note(first) : [buttons(first, these)]));
  for (const each of element.querySelectorAll("button, textarea")) each.disabled = busy;
  if (writing) element.querySelector("textarea").focus();
}

const errors = () => failures.map((words) => h("p", { class: "gate-error", role: "alert" }, rich(words)));

function buttons(first, these) {
  const words = (choice, kind) => (["approve", "answer"].includes(choice) ? `${label(choice, kind)} ${these}` : label(choice, kind));
  const press = (choice) => (takesNote(choice, first.kind) ? write(choice) : decide(choice));
  return h("div", { class: "gate-actions" }, ...optionButtons(first, press, words));
}

function write(choice) {
  writing = choice;
  act.redraw();
}

/** Create the form for the note. Its text survives a change of the selection. */
function note(first) {
  const error = h("p", { class: "gate-error", role: "alert" });
  const { form, field } = noteForm(writing, first.kind, { send: (text) => decide(writing, text), back: () => write(""), complain: (text) => (error.textContent = text) });
  field.value = draft;
  field.addEventListener("input", () => (draft = field.value));
  return [error, form];
}

async function decide(choice, note = "") {
  if (busy) return;
  const gates = together().map(({ id, revision, digest }) => ({ id, revision, digest }));
  [busy, failures] = [true, []];
  act.redraw();
  try {
    const { results } = await api("/api/gates/decisions", { gates, choice, note });
    const failed = results.filter((each) => !each.decided);
    for (const each of results) if (each.gate) act.take(each.gate);
    failures = failed.map((each) => `${each.id}: ${refused(new Refusal(0, { error: each.error, decision: each.gate?.decision }))}`);
    announce(sentence(`${did(choice)}: ${results.length - failed.length} of ${results.length}`));
    for (const each of results) selected.delete(each.id);
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
