// Deciding a gate: whom it waits for, the buttons, the note, and what came of a press.

import { h, money, now, setText, span, until } from "./dom.js";
import { Refusal, api } from "./net.js";

const LABELS = { approve: "Approve", changes: "Request changes", reject: "Reject", answer: "Answer" };
const DONE = { approve: "approved", changes: "asked for changes", reject: "rejected", answer: "answered" };
const ASK = {
  changes: ["What should be different?", "Send request"],
  reject: ["Why not? It helps the next plan.", "Reject"],
  answer: ["Your answer", "Send answer"],
};

/** What a choice is called on a button, for gates of a kind. */
export const label = (choice, kind) => (choice === "reject" && !["plan", "action"].includes(kind) ? "Decline" : (LABELS[choice] ?? choice));

/** What somebody did who made a choice. */
export const did = (choice) => DONE[choice] ?? `chose “${choice}”`;

/** Whether a choice is made with words of one's own. */
export const asks = (choice, kind) => choice in ASK && !(choice === "reject" && kind === "action");

/** What a refusal says to whoever pressed: who was faster, where somebody was. */
export function refused(refusal) {
  const first = refusal.body?.decision;
  if (!first || refusal.status === 403) return refusal.words;
  return `${first.by} ${did(first.choice)} this ${span(now() - Date.parse(first.at))} ago; nothing was changed by your click.`;
}

/** A form for the words that go with a choice. `send(note)` has them, `back()` leaves it. */
export function noteForm(choice, { send, back = null, second = null, complain }) {
  const [question, action] = ASK[choice];
  const field = h("textarea", { rows: "3", placeholder: question, "aria-label": question, maxlength: "8000", "data-testid": "note" });
  const form = h("form", { class: "note", onsubmit: (event) => {
    event.preventDefault();
    if (choice === "reject" || field.value.trim()) return send(field.value.trim());
    complain("Say in a sentence what you want.");
    field.focus();
  } },
    field,
    h("div", { class: "gate-actions" },
      h("button", { class: `button ${choice === "reject" ? "danger" : "primary"}`, type: "submit", "data-testid": "send-note" }, action),
      second ?? h("button", { class: "button quiet", type: "button", "data-testid": "cancel-note", onclick: back }, "Back")));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    if (event.key === "Escape" && back && !field.value) back();
  });
  return { form, field };
}

/** A button for each option of a gate; the first is the one that is meant. */
export function optionButtons({ options, kind }, press, words = label) {
  return options.map((choice, at) => {
    const looks = at === 0 && choice !== "answer" ? "primary" : choice === "reject" ? "quiet danger" : "plain";
    return h("button", { class: `button ${looks}`, type: "button", "data-choice": choice, "data-testid": `choose-${choice}`, onclick: () => press(choice) }, words(choice, kind));
  });
}

/** The part of a gate where it is decided. `settled(gate)` hears of every newer gate. */
export class Deciding {
  constructor(settled) {
    this.settled = settled;
    this.busy = false;
    this.needs = h("p", { class: "gate-needs", "data-testid": "needs" });
    this.words = h("p", { class: "gate-words", role: "alert", "data-testid": "gate-words" });
    this.actions = h("div", { class: "gate-actions" });
    this.element = h("div", { class: "deciding" }, this.needs, this.words, this.actions);
  }

  /** Ask about a gate; with `anew` what was being written is left behind, for it was about another text. */
  show(gate, anew) {
    this.gate = gate;
    this.needs.replaceChildren(...needs(gate));
    if (!anew) return;
    this.complain("");
    this.#buttons();
  }

  complain(words) {
    setText(this.words, words);
  }

  #buttons() {
    this.actions.replaceChildren(...optionButtons(this.gate, (choice) => (asks(choice, this.gate.kind) ? this.#note(choice) : this.#decide(choice))));
    if (this.gate.options.includes("answer")) this.#note("answer", false);
  }

  #note(choice, take = true) {
    const back = choice === "answer" ? null : () => this.#back();
    const second = choice === "answer" ? h("button", { class: "button quiet danger", type: "button", "data-choice": "reject", "data-testid": "choose-reject", onclick: () => this.#note("reject") }, "Decline") : null;
    const { form, field } = noteForm(choice, { send: (note) => this.#decide(choice, note), back, second, complain: (words) => this.complain(words) });
    this.actions.replaceChildren(form);
    if (take) field.focus();
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

/** Whose answer a gate waits for, when they are reminded, and what its product has cost. */
function needs(gate) {
  const said = gate.answers.map((each) => `${each.by} ${did(each.choice)}`).join(", ");
  const who = gate.may_decide.length ? `Needs ${gate.required} of: ${gate.may_decide.join(", ")}` : "Needs whoever holds the token";
  const parts = [h("span", {}, said ? `${who} (${said})` : who)];
  if (gate.escalated_at) parts.push(h("span", {}, "backups were asked"));
  if (gate.reminders) parts.push(h("span", {}, `reminded ${[gate.reminded.join(", "), gate.reminders > 1 ? `${gate.reminders} times` : ""].filter(Boolean).join(" ") || "once"}`));
  if (gate.reminds_at) parts.push(h("span", {}, gate.reminders ? "again " : "reminds ", until(gate.reminds_at)));
  if (gate.cost_usd_today) parts.push(h("span", {}, `${gate.product} has spent ${money(gate.cost_usd_today)} today`));
  return parts;
}
