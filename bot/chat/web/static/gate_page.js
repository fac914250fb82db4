// The page of one gate: the full plan, its changes and history, and the decision.

import { announce, byId, clock, h, rich, setText } from "./dom.js";
import { GateCard, KINDS } from "./gate.js";
import { CONNECTION, Socket, api } from "./net.js";

const id = location.pathname.split("/").pop();
const main = byId("gate");
const history = h("section", { class: "history", "data-testid": "history" });
let card = null;
let newer = null;

function take(gate) {
  if (gate.id !== id) return;
  if (!card) {
    card = new GateCard(gate, { full: true, settled: (after) => (take(after), loadHistory()) });
    const side = h("aside", { class: "side" }, card.decision.element, history);
    main.replaceChildren(card.element, side);
    main.removeAttribute("aria-busy");
  } else if (gate.html === undefined && gate.digest !== card.gate.digest) return load();
  const before = card.gate.state;
  card.update(gate);
  card.element.parentElement.querySelector(".side").prepend(card.decision.element);
  card.decision.element.hidden = gate.state !== "open";
  document.title = `${KINDS[gate.kind]}: ${gate.title} · ${gate.product || "Fleet"}`;
  if (before === "open" && gate.state !== "open") announce(gate.outcome);
}

async function load() {
  try {
    take(await api(`/api/gates/${id}`));
    await loadHistory();
  } catch (refusal) {
    if (!card) main.replaceChildren(h("div", { class: "empty pad" }, h("h2", {}, refusal.message), h("p", {}, rich(refusal.hint)), h("a", { class: "button plain", href: "/" }, "Open the fleet")));
  }
}

async function loadHistory() {
  const { history: steps, revisions } = await api(`/api/gates/${id}/history`);
  const others = revisions.filter((each) => each.id !== id);
  history.replaceChildren(h("h2", {}, "History"), h("ol", { class: "history-steps" }, steps.map((each) => step(each, others.length > 0))));
  if (!others.length) return;
  history.append(h("p", { class: "quiet" }, "Earlier revisions: ", ...others.flatMap((each, at) => [at ? ", " : "", h("a", { href: `/gates/${each.id}` }, `revision ${each.revision}`)])));
}

const step = (each, several) =>
  h("li", {}, h("span", {}, h("b", {}, each.by), ` ${each.did}`),
    h("p", { class: "when" }, clock(each.at), several ? ` · revision ${each.revision}` : null),
    each.words ? h("p", { class: "quiet" }, each.words) : null);

/** Offer the link to a newer revision of this gate. */
function offer(gate) {
  if (gate.previous !== id || newer === gate.id) return;
  newer = gate.id;
  main.before(h("div", { class: "banner reload" }, h("span", {}, "A newer revision is available. "), h("a", { href: `/gates/${gate.id}` }, `Open revision ${gate.revision}`)));
}

function state(now) {
  const shown = byId("connection");
  shown.dataset.state = now;
  setText(shown.querySelector("span"), CONNECTION[now]);
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
      loadHistory();
    }
  },
});
