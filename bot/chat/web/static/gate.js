// One gate as a card: its text, its changes and its decision, and afterwards the outcome.

import { Decision } from "./decision.js";
import * as diff from "./diff.js";
import { age, clock, h, sentence, setText } from "./dom.js";
import { api } from "./net.js";
import { mark } from "./states.js";

export const KINDS = { plan: "Plan", decision: "Decision", question: "Question", escalation: "Escalation", action: "Action", merge: "Merge", lesson: "Lesson" };
const FOLDED = { characters: 900, lines: 24 };
const PLATFORMS = { web: "the browser", terminal: "the terminal", slack: "Slack", discord: "Discord", whatsapp: "WhatsApp" };

/** A gate's card. It keeps a note in progress when the gate changes, and loads the full text when it is opened.
 * `brief` shows the summary only, `full` everything. `settled` gets every newer state, `loaded` the full gate. */
export class GateCard {
  constructor(gate, { open = true, brief = false, full = false, settled = () => {}, loaded = () => {} } = {}) {
    Object.assign(this, { brief, full, loaded });
    this.body = h("div", { class: "gate-body" });
    this.title = h("b");
    this.facts = h("span", { class: "gate-facts" });
    this.kind = h("span", { class: "gate-kind" });
    this.reason = h("span", { class: "gate-reason" });
    const id = h("span", { class: "id" }, gate.id);
    this.mark = h("span", { class: "gate-mark" }, mark("waiting"));
    const inside = [this.mark, h("span", { class: "gate-title" }, this.kind, " ", this.title), id, this.facts, this.reason];
    this.head = full ? h("div", { class: "gate-head" }, ...inside) : h("button", { class: "gate-head", type: "button", onclick: () => this.setOpen(!this.open) }, ...inside);
    this.why = h("p", { class: "gate-why", "data-testid": "why" });
    this.changes = h("div", { class: "gate-changes" });
    this.plan = h("div", { class: "plan", "data-testid": "plan" });
    this.decision = new Decision(settled);
    this.element = h("article", { class: "gate", "data-gate": gate.id, "data-testid": `gate-${gate.id}` }, this.head, this.body);
    this.setOpen(open || full, gate);
    this.update(gate);
  }

  setOpen(open, gate = this.gate) {
    this.open = open;
    this.body.hidden = !open;
    this.head.setAttribute("aria-expanded", String(open));
    this.element.classList.toggle("closed", !open);
    if (open && this.gate) this.#load(gate);
  }

  /** Show the current state of the gate. */
  update(gate) {
    const before = this.gate;
    const same = before?.digest === gate.digest;
    if (same && gate.html === undefined) gate = { ...gate, html: before.html, diff: before.diff };
    this.gate = gate;
    const drawn = JSON.stringify({ ...gate, age_seconds: 0 });
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    this.element.dataset.state = gate.state;
    this.element.dataset.kind = gate.kind;
    setText(this.kind, gate.title.toLowerCase().startsWith(gate.kind) ? "" : `${KINDS[gate.kind] ?? gate.kind}:`);
    setText(this.title, gate.title);
    this.facts.replaceChildren(...facts(gate));
    setText(this.why, gate.why.join(" · "));
    setText(this.reason, this.why.textContent);
    this.mark.replaceChildren(mark(stateOf(gate)));
    if (gate.state !== "open") return this.body.replaceChildren(...this.#outcome(gate));
    const again = same && before.state === "open";
    this.#text(gate);
    this.decision.show(gate, !again);
    if (!again) this.body.replaceChildren(this.why, this.changes, this.plan, this.decision.element);
    if (this.open) this.#load(gate);
  }

  /** Load the full gate if only its summary is known. */
  async #load(gate) {
    if (this.brief || gate.html !== undefined || gate.state !== "open" || this.loading) return;
    this.loading = true;
    const found = await api(`/api/gates/${gate.id}`).catch(() => null);
    this.loading = false;
    if (!found) return;
    this.loaded(found);
    this.update(found);
  }

  #text(gate) {
    const key = `${gate.digest} ${gate.html === undefined}`;
    if (this.shown === key) return;
    this.shown = key;
    this.changes.replaceChildren(...this.#changes(gate));
    const long = gate.body.length > FOLDED.characters || gate.lines > FOLDED.lines;
    const rendered = gate.html !== undefined && !this.brief;
    this.plan.classList.toggle("folded", long && rendered && !this.full);
    const link = this.full || (!long && rendered) || gate.lines < 2 ? null : h("a", { class: "more", href: `/gates/${gate.id}`, "data-testid": "full-plan" }, `Full ${gate.kind === "plan" ? "plan" : "text"}, ${gate.lines} lines`);
    this.plan.replaceChildren(...[rendered ? h("div", { class: "prose", html: gate.html }) : h("p", { class: "summary" }, gate.summary), link].filter(Boolean));
  }

  #changes(gate) {
    if (!gate.previous || (gate.diff !== undefined && !gate.diff)) return [];
    const content = h("div", {}, gate.diff === undefined ? h("p", { class: "quiet" }, "Loading…") : diff.lines(gate.diff));
    const sizes = gate.diff ? diff.size(gate.diff) : null;
    const details = h("details", { class: "diff", open: this.full, "data-testid": "diff" },
      h("summary", {}, `Changes since revision ${gate.revision - 1}`, sizes ? h("span", { class: "quiet" }, ` +${sizes.added} −${sizes.removed} lines`) : null),
      content);
    details.addEventListener("toggle", async () => {
      if (!details.open || gate.diff !== undefined) return;
      const found = await api(`/api/gates/${gate.id}`).catch((refusal) => ({ words: refusal.words }));
      content.replaceChildren(found.words ? h("p", { class: "quiet" }, found.words) : diff.lines(found.diff));
    });
    return [details];
  }

  #outcome(gate) {
    this.shown = "";
    const text = h("details", { class: "decided-text", open: this.full, "data-testid": "decided-text" },
      h("summary", {}, gate.kind === "plan" ? "Plan" : "Text"),
      gate.html === undefined || this.brief ? h("p", { class: "summary" }, gate.summary, " ", h("a", { class: "more", href: `/gates/${gate.id}` }, `Full text, ${gate.lines} lines`)) : h("div", { class: "prose", html: gate.html }));
    this.changes.replaceChildren(...(this.full ? this.#changes(gate) : []));
    return [outcome(gate), this.decision.error, this.changes, text];
  }
}

function facts(gate) {
  const found = [h("b", {}, gate.product || "the fleet")];
  if (gate.revision > 1 || gate.kind === "plan") found.push(h("span", {}, `revision ${gate.revision}`));
  if (gate.asked_by) found.push(h("span", {}, `requested by ${gate.asked_by}`));
  else if (gate.sender) found.push(h("span", {}, `from ${gate.sender}`));
  found.push(gate.state === "open" ? h("span", {}, "waiting ", age(gate.created_at, "span")) : age(gate.updated_at, "ago"));
  return found;
}

const DECIDED = { approve: "Approved", changes: "Changes requested", reject: "Rejected", answer: "Answered" };
const MARKS = { approve: "done", answer: "done", changes: "changes", reject: "rejected" };

/** Return the mark of a gate by its decision. */
const stateOf = ({ state, decision }) => (state === "open" ? "waiting" : decision ? (MARKS[decision.choice] ?? "done") : "idle");

/** Create the outcome of a gate: the decision, by whom, where and when, and its delivery. */
export function outcome(gate) {
  const { decision } = gate;
  const shown = h("div", { class: `outcome ${decision?.choice ?? gate.state}`, "data-testid": "outcome" }, mark(stateOf(gate)));
  if (!decision || !["decided", "delivered"].includes(gate.state)) shown.append(h("span", {}, sentence(gate.outcome)));
  else {
    const decided = DECIDED[decision.choice] ?? `“${decision.choice}” chosen`;
    const where = decision.platform ? ` in ${PLATFORMS[decision.platform] ?? decision.platform}` : "";
    shown.append(h("span", {}, `${decided} by ${decision.by}${where} at `, clock(decision.at), `. ${progress(gate)}`, decision.note ? h("q", { class: "outcome-note" }, decision.note) : null));
  }
  return shown;
}

function progress(gate) {
  if (gate.state === "decided") return gate.reason ? `Not delivered. ${sentence(gate.reason)}` : "Delivering…";
  if (gate.kind === "action") return gate.reason ? sentence(gate.reason) : "";
  if (gate.decision.choice === "changes") return "Delivered. Waiting for a new revision.";
  return gate.decision.choice === "reject" ? "Delivered." : "Work has resumed.";
}
