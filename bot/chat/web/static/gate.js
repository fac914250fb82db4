// One gate as a card: what is asked, what changed, what it holds up, the buttons; afterwards, what became of it.

import { Deciding, did } from "./deciding.js";
import * as diff from "./diff.js";
import { age, clock, h, mark, setText } from "./dom.js";
import { api } from "./net.js";

export const KINDS = { plan: "Plan", decision: "Decision", question: "Question", escalation: "Escalation", action: "Action" };
const FOLDED = [900, 24];
const PLACES = { web: "the browser", terminal: "the terminal", slack: "Slack", discord: "Discord", whatsapp: "WhatsApp" };

/** A gate's card. It keeps what is being written in it when the gate changes, and reads the whole of the gate when it is opened.
 * `brief` shows the summary alone, `whole` everything; `settled` hears of every newer gate, `learnt` of what was read. */
export class GateCard {
  constructor(gate, { open = true, brief = false, whole = false, settled = () => {}, learnt = () => {} } = {}) {
    Object.assign(this, { brief, whole, learnt });
    this.body = h("div", { class: "gate-body" });
    this.title = h("b");
    this.facts = h("span", { class: "gate-facts" });
    this.kind = h("span", { class: "gate-kind" });
    this.first = h("span", { class: "gate-first" });
    const id = h("span", { class: "id" }, gate.id);
    const inside = [mark("waiting"), h("span", { class: "gate-title" }, this.kind, " ", this.title), id, this.facts, this.first];
    this.head = whole ? h("div", { class: "gate-head" }, ...inside) : h("button", { class: "gate-head", type: "button", onclick: () => this.setOpen(!this.open) }, ...inside);
    this.why = h("p", { class: "gate-why", "data-testid": "why" });
    this.changes = h("div", { class: "gate-changes" });
    this.plan = h("div", { class: "plan", "data-testid": "plan" });
    this.deciding = new Deciding(settled);
    this.element = h("article", { class: "gate", "data-gate": gate.id, "data-testid": `gate-${gate.id}` }, this.head, this.body);
    this.setOpen(open || whole, gate);
    this.update(gate);
  }

  setOpen(open, gate = this.gate) {
    this.open = open;
    this.body.hidden = !open;
    this.head.setAttribute("aria-expanded", String(open));
    this.element.classList.toggle("closed", !open);
    if (open && this.gate) this.#read(gate);
  }

  /** Show the gate as it is now. */
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
    setText(this.first, this.why.textContent);
    if (gate.state !== "open") return this.body.replaceChildren(...this.#outcome(gate));
    const again = same && before.state === "open";
    this.#text(gate);
    this.deciding.show(gate, !again);
    if (!again) this.body.replaceChildren(this.why, this.changes, this.plan, this.deciding.element);
    if (this.open) this.#read(gate);
  }

  /** Read the whole of it, if only its summary is known. */
  async #read(gate) {
    if (this.brief || gate.html !== undefined || gate.state !== "open" || this.reading) return;
    this.reading = true;
    const whole = await api(`/api/gates/${gate.id}`).catch(() => null);
    this.reading = false;
    if (!whole) return;
    this.learnt(whole);
    this.update(whole);
  }

  #text(gate) {
    const key = `${gate.digest} ${gate.html === undefined}`;
    if (this.shown === key) return;
    this.shown = key;
    this.changes.replaceChildren(...this.#changes(gate));
    const long = gate.body.length > FOLDED[0] || gate.lines > FOLDED[1];
    const rendered = gate.html !== undefined && !this.brief;
    this.plan.classList.toggle("folded", long && rendered && !this.whole);
    const link = this.whole || (!long && rendered) || gate.lines < 2 ? null : h("a", { class: "more", href: `/gates/${gate.id}`, "data-testid": "whole-plan" }, `Whole ${gate.kind === "plan" ? "plan" : "text"}, ${gate.lines} lines`);
    this.plan.replaceChildren(...[rendered ? h("div", { class: "prose", html: gate.html }) : h("p", { class: "summary" }, gate.summary), link].filter(Boolean));
  }

  #changes(gate) {
    if (!gate.previous || (gate.diff !== undefined && !gate.diff)) return [];
    const place = h("div", {}, gate.diff === undefined ? h("p", { class: "quiet" }, "Reading …") : diff.lines(gate.diff));
    const sizes = gate.diff ? diff.size(gate.diff) : null;
    const details = h("details", { class: "diff", open: this.whole, "data-testid": "diff" },
      h("summary", {}, `Changes since revision ${gate.revision - 1}`, sizes ? h("span", { class: "quiet" }, ` +${sizes.added} −${sizes.removed} lines`) : null),
      place);
    details.addEventListener("toggle", async () => {
      if (!details.open || gate.diff !== undefined) return;
      const whole = await api(`/api/gates/${gate.id}`).catch((refusal) => ({ words: refusal.words }));
      place.replaceChildren(whole.words ? h("p", { class: "quiet" }, whole.words) : diff.lines(whole.diff));
    });
    return [details];
  }

  #outcome(gate) {
    this.shown = "";
    const was = h("details", { class: "was", open: this.whole, "data-testid": "was" },
      h("summary", {}, "What was asked"),
      gate.html === undefined || this.brief ? h("p", { class: "summary" }, gate.summary, " ", h("a", { class: "more", href: `/gates/${gate.id}` }, `Whole text, ${gate.lines} lines`)) : h("div", { class: "prose", html: gate.html }));
    this.changes.replaceChildren(...(this.whole ? this.#changes(gate) : []));
    return [outcome(gate), this.deciding.words, this.changes, was];
  }
}

function facts(gate) {
  const found = [h("b", {}, gate.product || "the fleet")];
  if (gate.revision > 1 || gate.kind === "plan") found.push(h("span", {}, `revision ${gate.revision}`));
  if (gate.asked_by) found.push(h("span", {}, `asked by ${gate.asked_by}`));
  else if (gate.sender) found.push(h("span", {}, `from ${gate.sender}`));
  found.push(gate.state === "open" ? age(gate.created_at, "span") : age(gate.updated_at, "ago"));
  return found;
}

const DONE = { approve: "done", answer: "done", changes: "queued", reject: "trouble" };

/** What became of a gate: who decided, where, when, and how far that has come. */
export function outcome(gate) {
  const { decision } = gate;
  const shown = h("div", { class: `outcome ${decision?.choice ?? gate.state}`, "data-testid": "outcome" }, mark(DONE[decision?.choice] ?? (decision ? "done" : "idle")));
  if (!decision || !["decided", "delivered"].includes(gate.state)) shown.append(h("span", {}, gate.outcome.replace(/\.?$/, ".")));
  else {
    const said = did(decision.choice);
    const where = decision.platform ? ` in ${PLACES[decision.platform] ?? decision.platform}` : "";
    shown.append(h("span", {}, `${decision.by} ${said}${where}, `, clock(decision.at), `. ${progress(gate)}`, decision.note ? h("q", { class: "outcome-note" }, decision.note) : null));
  }
  return shown;
}

function progress(gate) {
  if (gate.state === "decided") return gate.reason ? `Not delivered: ${gate.reason.replace(/\.?$/, ".")}` : "The coordinator is being told.";
  if (gate.kind === "action") return gate.reason ? `It is ${gate.reason}.`.replace("..", ".") : "";
  return gate.decision.choice === "approve" ? "The coordinator has it and is working." : "The coordinator has it.";
}
