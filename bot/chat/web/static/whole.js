// One gate on a page of its own: the whole plan, what changed, how it came about, and the place to decide it.

import { announce, byId, clock, h, setText } from "./dom.js";
import { GateCard, KINDS } from "./gate.js";
import { Socket, api } from "./net.js";

const id = location.pathname.split("/").pop();
const place = byId("whole");
const past = h("section", { class: "past", "data-testid": "history" });
let card = null;
let newer = null;

function take(gate) {
  if (gate.id !== id) return;
  if (!card) {
    card = new GateCard(gate, { whole: true, settled: (after) => (take(after), history()) });
    const side = h("aside", { class: "side" }, card.deciding.element, past);
    place.replaceChildren(card.element, side);
    place.removeAttribute("aria-busy");
  } else if (gate.html === undefined && gate.digest !== card.gate.digest) return load();
  const was = card.gate.state;
  card.update(gate);
  card.element.parentElement.querySelector(".side").prepend(card.deciding.element);
  card.deciding.element.hidden = gate.state !== "open";
  document.title = `${KINDS[gate.kind]}: ${gate.title} · ${gate.product || "Fleet"}`;
  if (was === "open" && gate.state !== "open") announce(gate.outcome);
}

async function load() {
  try {
    take(await api(`/api/gates/${id}`));
    await history();
  } catch (refusal) {
    if (!card) place.replaceChildren(h("div", { class: "empty pad" }, h("h2", {}, refusal.message), h("p", {}, refusal.hint), h("a", { class: "button plain", href: "/" }, "To the fleet")));
  }
}

async function history() {
  const { history: steps, revisions } = await api(`/api/gates/${id}/history`);
  const others = revisions.filter((each) => each.id !== id);
  past.replaceChildren(h("h2", {}, "History"), h("ol", { class: "past-steps" }, steps.map(step)));
  if (!others.length) return;
  past.append(h("p", { class: "quiet" }, "Before: ", ...others.flatMap((each, at) => [at ? ", " : "", h("a", { href: `/gates/${each.id}` }, `revision ${each.revision}`)])));
}

function step(each) {
  return h("li", {}, h("span", {}, h("b", {}, each.by), ` ${each.did}`, each.did === "asked" ? h("span", { class: "quiet" }, ` · revision ${each.revision}`) : null),
    clock(each.at),
    each.words ? h("p", { class: "quiet" }, each.words) : null);
}

/** A newer revision took the place of this one: say where it is. */
function offer(gate) {
  if (gate.previous !== id || newer === gate.id) return;
  newer = gate.id;
  place.before(h("div", { class: "banner reload" }, h("span", {}, `There is a newer revision. `), h("a", { href: `/gates/${gate.id}` }, `Open revision ${gate.revision}`)));
}

function state(now) {
  const shown = byId("link-state");
  shown.dataset.state = now;
  setText(shown.querySelector("span"), { live: "live", lost: "reconnecting", connecting: "connecting" }[now]);
}

byId("print").addEventListener("click", () => print());
new Socket({
  state,
  message: (message) => {
    if (message.type === "hello") load();
    if (message.type !== "card" || message.kind !== "gate") return;
    offer(message.detail);
    if (message.gate === id) {
      take(message.detail);
      history();
    }
  },
});
