// Deciding a gate: the people who can, the buttons, the note, and the result.

import { h, money, now, rich, span, until } from "./dom.js";
import { Refusal, api } from "./net.js";

const LABELS = { approve: "Approve", changes: "Request changes", reject: "Reject", answer: "Answer" };
const DONE = { approve: "approved", changes: "requested changes", reject: "rejected", answer: "answered" };
const NOTES = {
  changes: ["What should change?", "Request changes", "Enter what should change."],
  reject: ["Reason (optional). The agent reads it.", "Reject", ""],
  answer: ["Your answer", "Send answer", "Enter your answer."],
};
const declines = (choice, kind) => choice === "reject" && !["plan", "action"].includes(kind);

/** Return the button label of a choice on gates of a kind. */
export const label = (choice, kind) => (declines(choice, kind) ? "Decline" : (LABELS[choice] ?? choice));

/** Return the verb for a choice a person has made. */
export const did = (choice) => DONE[choice] ?? `chose “${choice}”`;

/** Return true if a choice comes with a note. */
export const takesNote = (choice, kind) => choice in NOTES && !(choice === "reject" && kind === "action");

/** Return the message for a refused click. It names the person who decided first. */
export function refused(refusal) {
  const first = refusal.body?.decision;
  if (!first || refusal.status === 403) return refusal.words;
  return `${first.by} already ${did(first.choice)}${first.choice in DONE && first.choice !== "changes" ? " this" : ""} ${span(now() - Date.parse(first.at))} ago. Your click changed nothing.`;
}

/** Create the form for a note. `send(note)` gets the note, `back()` closes the form. */
export function noteForm(choice, kind, { send, back = null, second = null, complain }) {
  const [question, action, missing] = NOTES[choice];
  const field = h("textarea", { rows: "3", placeholder: question, "aria-label": question, maxlength: "8000", "data-testid": "note" });
  const form = h("form", { class: "note", onsubmit: (event) => {
    event.preventDefault();
    if (!missing || field.value.trim()) return send(field.value.trim());
    complain(missing);
    field.focus();
  } },
    field,
    h("div", { class: "gate-actions" },
      h("button", { class: `button ${choice === "reject" ? "danger" : "primary"}`, type: "submit", "data-testid": "send-note" }, declines(choice, kind) ? "Decline" : action),
      second ?? h("button", { class: "button quiet", type: "button", "data-testid": "cancel-note", onclick: back }, "Cancel")));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    if (event.key === "Escape" && back && !field.value) back();
  });
  return { form, field };
}

/** Create a button for each option of a gate. The first option is the default. */
export function optionButtons({ options, kind }, press, words = label) {
  return options.map((choice, at) => {
    const looks = at === 0 && choice !== "answer" ? "primary" : choice === "reject" ? "quiet danger" : "plain";
    return h("button", { class: `button ${looks}`, type: "button", "data-choice": choice, "data-testid": `choose-${choice}`, onclick: () => press(choice) }, words(choice, kind));
  });
}

/** The part of a gate's card that decides it. `settled(gate)` gets every newer state of the gate. */
export class Decision {
  constructor(settled) {
    this.settled = settled;
    this.busy = false;
    this.needs = h("p", { class: "gate-needs", "data-testid": "needs" });
    this.error = h("p", { class: "gate-error", role: "alert", "data-testid": "gate-error" });
    this.actions = h("div", { class: "gate-actions" });
    this.element = h("div", { class: "decision" }, this.needs, this.error, this.actions);
  }

  /** Show a gate. With `anew`, drop a note in progress because it was about another text. */
  show(gate, anew) {
    this.gate = gate;
    this.needs.replaceChildren(...needs(gate));
    if (!anew) return;
    this.complain("");
    this.#buttons();
  }

  complain(words) {
    this.error.replaceChildren(...rich(words));
  }

  #buttons() {
    this.actions.replaceChildren(...optionButtons(this.gate, (choice) => (takesNote(choice, this.gate.kind) ? this.#note(choice) : this.#decide(choice))));
    if (this.gate.options.includes("answer")) this.#note("answer", false);
  }

  #note(choice, focus = true) {
    const back = choice === "answer" ? null : () => this.#back();
    const second = choice === "answer" ? h("button", { class: "button quiet danger", type: "button", "data-choice": "reject", "data-testid": "choose-reject", onclick: () => this.#note("reject") }, "Decline") : null;
    const { form, field } = noteForm(choice, this.gate.kind, { send: (note) => this.#decide(choice, note), back, second, complain: (words) => this.complain(words) });
    this.actions.replaceChildren(form);
    if (focus) field.focus();
  }

  #back() {
    this.complain("");
    this.#buttons();
    this.actions.querySelector("button, textarea")?.focus();
  }

  async #decide(choice, note = "") {
    if (this.busy) return;
    this.#setBusy(true);
    this.complain("");
    const { id, revision, digest } = this.gate;
    try {
      this.settled(await api(`/api/gates/${id}/decision`, { choice, note, revision, digest }));
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (refusal.body?.gate) this.settled(refusal.body.gate);
      this.complain(refused(refusal));
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) {
    this.busy = busy;
    this.element.setAttribute("aria-busy", String(busy));
    for (const each of this.actions.querySelectorAll("button, textarea")) each.disabled = busy;
  }
}

/** Create the line about who can decide a gate, its reminders, and what its product spent today. */
function needs(gate) {
  const answers = gate.answers.map((each) => `${each.by} ${did(each.choice)}`).join(", ");
  const who = gate.may_decide.length ? `Needs ${gate.required} of: ${gate.may_decide.join(", ")}` : "Needs anyone with the admin token";
  const parts = [h("span", {}, answers ? `${who} (${answers})` : who)];
  if (gate.escalated_at) parts.push(h("span", {}, "escalated to the backups"));
  if (gate.reminders) parts.push(h("span", {}, `reminded ${gate.reminders > 1 ? `${gate.reminders} times` : "once"}${gate.reminded.length ? `: ${gate.reminded.join(", ")}` : ""}`));
  if (gate.reminds_at) parts.push(h("span", {}, "next reminder ", until(gate.reminds_at)));
  if (gate.cost_usd_today) parts.push(h("span", {}, `${gate.product} spent ${money(gate.cost_usd_today)} today`));
  return parts;
}
