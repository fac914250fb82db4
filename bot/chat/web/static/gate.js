// One gate as a card: what is asked, what changed, who may decide, the buttons; afterwards, what became of it.

import { age, h, mark, money, setText } from "./dom.js";
import { Refusal, api } from "./net.js";

export const KINDS = { plan: "Plan", decision: "Decision", question: "Question", escalation: "Escalation", action: "Action" };

const LABELS = { approve: "Approve", changes: "Request changes", reject: "Reject", answer: "Answer" };
const ASK = {
  changes: ["What should be different?", "Send request"],
  reject: ["Why not? It helps the next plan.", "Reject"],
  answer: ["Your answer", "Send answer"],
};

/** A gate's card. It keeps what is being written in it when the gate changes; `settled` hears of every newer gate. */
export class GateCard {
  constructor(gate, { open = true, brief = false, settled = () => {} } = {}) {
    this.settled = settled;
    this.long = brief ? [240, 6] : [900, 24];
    this.busy = false;
    this.body = h("div", { class: "gate-body" });
    this.title = h("b");
    this.facts = h("span", { class: "gate-facts" });
    this.kind = h("span", { class: "gate-kind" });
    this.id = h("span", { class: "id" }, gate.id);
    this.head = h("button", { class: "gate-head", type: "button", onclick: () => this.toggle() }, mark("waiting"), h("span", { class: "gate-title" }, this.kind, " ", this.title), this.id, this.facts);
    this.words = h("p", { class: "gate-words", role: "alert" });
    this.actions = h("div", { class: "gate-actions" });
    this.element = h("article", { class: "gate", "data-gate": gate.id, "data-testid": `gate-${gate.id}` }, this.head, this.body);
    this.setOpen(open);
    this.update(gate);
  }

  toggle() {
    this.setOpen(!this.open);
  }

  setOpen(open) {
    this.open = open;
    this.body.hidden = !open;
    this.head.setAttribute("aria-expanded", String(open));
    this.element.classList.toggle("closed", !open);
  }

  /** Show the gate as it is now. */
  update(gate) {
    const before = this.gate;
    this.gate = gate;
    const drawn = JSON.stringify([gate.state, gate.digest, gate.outcome, gate.answers.length, gate.cost_usd_today]);
    if (before && this.drawn === drawn) return;
    this.drawn = drawn;
    this.element.dataset.state = gate.state;
    this.element.dataset.kind = gate.kind;
    setText(this.kind, `${KINDS[gate.kind] ?? gate.kind}:`);
    setText(this.title, gate.title);
    this.facts.replaceChildren(...this.#facts(gate));
    if (gate.state === "open" && before?.state === "open" && before.digest === gate.digest) {
      this.#needs();
      return;
    }
    this.body.replaceChildren(...(gate.state === "open" ? this.#asking(gate) : this.#outcome(gate)));
  }

  #facts(gate) {
    const facts = [h("b", {}, gate.product)];
    if (gate.revision > 1 || gate.kind === "plan") facts.push(h("span", {}, `revision ${gate.revision}`));
    if (gate.asked_by) facts.push(h("span", {}, `asked by ${gate.asked_by}`));
    else if (gate.sender) facts.push(h("span", {}, `from ${gate.sender}`));
    facts.push(gate.state === "open" ? age(gate.created_at, "span") : age(gate.updated_at, "ago"));
    return facts;
  }

  #asking(gate) {
    this.needs = h("p", { class: "gate-needs" });
    this.#needs();
    this.#buttons();
    setText(this.words, "");
    const parts = [this.#changes(gate), this.#plan(gate), this.needs, this.words, this.actions];
    return parts.filter(Boolean);
  }

  #changes(gate) {
    if (!gate.diff) return null;
    const lines = gate.diff.split("\n").slice(1).map((line) => {
      const kind = { "+": "added", "-": "removed", "@": "place" }[line[0]] ?? "same";
      return h("div", { class: kind }, kind === "place" ? "⋯" : line || " ");
    });
    const added = lines.filter((line) => line.className === "added").length;
    const removed = lines.filter((line) => line.className === "removed").length;
    return h("details", { class: "diff", "data-testid": "diff" },
      h("summary", {}, `Changes since revision ${gate.revision - 1}`, h("span", { class: "quiet" }, ` +${added} −${removed} lines`)),
      h("div", { class: "diff-lines", tabindex: "0" }, ...lines));
  }

  #plan(gate) {
    const text = h("div", { class: "prose", html: gate.html });
    const place = h("div", { class: "plan", "data-testid": "plan" }, text);
    const lines = gate.body.trim().split("\n").length;
    const [characters, most] = this.long;
    if (gate.body.length > characters || lines > most) {
      place.classList.add("folded");
      place.classList.toggle("brief", most < 10);
      const more = h("button", { class: "more", type: "button", "aria-expanded": "false", onclick: () => {
        const folded = place.classList.toggle("folded");
        more.setAttribute("aria-expanded", String(!folded));
        setText(more, folded ? `Show the whole text, ${lines} lines` : "Show less");
      } }, `Show the whole text, ${lines} lines`);
      place.append(more);
    }
    return place;
  }

  #needs() {
    const { gate } = this;
    const names = gate.may_decide.length ? gate.may_decide.join(gate.required > 1 ? ", " : " or ") : "whoever holds the token";
    const most = gate.required > 1 ? `${gate.required} of ` : "";
    const sofar = gate.answers.length ? `; so far ${gate.answers.map((each) => each.by).join(", ")}` : "";
    const cost = gate.cost_usd_today ? ` · ${gate.product} has spent ${money(gate.cost_usd_today)} today` : "";
    setText(this.needs, `Waits for ${most}${names}${sofar}${cost}`);
  }

  #buttons() {
    const { gate } = this;
    const buttons = gate.options.map((choice, at) => {
      const asks = choice in ASK && !(choice === "reject" && gate.kind === "action");
      const first = at === 0 && choice !== "answer" ? "primary" : choice === "reject" ? "quiet danger" : "plain";
      const label = LABELS[choice] ?? choice;
      return h("button", { class: `button ${first}`, type: "button", "data-choice": choice, "data-testid": `choose-${choice}`,
        onclick: () => (asks ? this.#note(choice) : this.#decide(choice)) },
        choice === "reject" && gate.kind !== "plan" && gate.kind !== "action" ? "Decline" : label);
    });
    this.actions.replaceChildren(...buttons);
    if (gate.options.includes("answer")) this.#note("answer", false);
  }

  #note(choice, take = true) {
    const [question, send] = ASK[choice];
    const needed = choice !== "reject";
    const field = h("textarea", { rows: "3", placeholder: question, "aria-label": question, maxlength: "8000", "data-testid": "note" });
    const form = h("form", { class: "note", onsubmit: (event) => {
      event.preventDefault();
      if (needed && !field.value.trim()) {
        this.#complain("Say in a sentence what you want.");
        field.focus();
      } else this.#decide(choice, field.value.trim());
    } },
      field,
      h("div", { class: "gate-actions" },
        h("button", { class: `button ${choice === "reject" ? "danger" : "primary"}`, type: "submit", "data-testid": "send-note" }, send),
        choice === "answer"
          ? h("button", { class: "button quiet danger", type: "button", "data-choice": "reject", "data-testid": "choose-reject", onclick: () => this.#note("reject") }, "Decline")
          : h("button", { class: "button quiet", type: "button", "data-testid": "cancel-note", onclick: () => this.#back() }, "Back")));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      if (event.key === "Escape" && choice !== "answer" && !field.value) this.#back();
    });
    this.actions.replaceChildren(form);
    if (take) field.focus();
  }

  #back() {
    this.#complain("");
    this.#buttons();
    this.actions.querySelector("button, textarea")?.focus();
  }

  #complain(words) {
    setText(this.words, words);
  }

  async #decide(choice, note = "") {
    if (this.busy) return;
    this.#setBusy(true);
    this.#complain("");
    const { id, revision, digest } = this.gate;
    try {
      const gate = await api(`/api/gates/${id}/decision`, { choice, note, revision, digest });
      this.settled(gate);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (refusal.body?.gate) {
        this.settled(refusal.body.gate);
        this.body.prepend(this.words);
      }
      this.#complain(refusal.words);
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) {
    this.busy = busy;
    this.element.setAttribute("aria-busy", String(busy));
    for (const each of this.actions.querySelectorAll("button, textarea")) each.disabled = busy;
  }

  #outcome(gate) {
    return [
      outcome(gate),
      h("details", { class: "was", "data-testid": "was" }, h("summary", {}, "What was asked"), h("div", { class: "prose", html: gate.html })),
    ];
  }
}

const DONE = { approve: "done", answer: "done", changes: "queued", reject: "trouble" };

/** What became of a gate, in a line. */
export function outcome(gate) {
  const choice = gate.decision?.choice;
  const after = { decided: " The coordinator is being told.", delivered: " The coordinator has it." }[gate.state] ?? "";
  return h("p", { class: `outcome ${choice ?? gate.state}`, "data-testid": "outcome" },
    mark(DONE[choice] ?? (choice ? "done" : "idle")),
    h("span", {}, `${gate.outcome.replace(/\.?$/, ".")}${after}`));
}
