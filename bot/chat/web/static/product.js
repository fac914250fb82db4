// The panel of one product: its status, gates, sessions, history, mail and registry entry.

import { age, byId, capital, h, money, plain, rich } from "./dom.js";
import { GateCard, outcome } from "./gate.js";
import * as inbox from "./inbox.js";
import { api } from "./net.js";
import { label, mark, sessionLabel } from "./states.js";

const sheet = byId("product");
let name = "";
let drawn = "";
const cards = new Map();
let act = { send() {}, fill() {} };

/** `actions.send(text)` sends a message, `actions.fill(text)` puts it into the composer. */
export function start(actions) {
  act = actions;
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  sheet.addEventListener("close", () => {
    name = "";
    cards.clear();
  });
}

/** Open the panel of a product. */
export async function open(product) {
  name = product;
  drawn = "";
  sheet.replaceChildren(heading({ name: product, state: "idle" }), h("p", { class: "quiet pad" }, "Loading…"));
  if (!sheet.open) sheet.showModal();
  await refresh();
}

/** Load the product again after a change. */
export async function refresh() {
  if (!name) return;
  const wanted = name;
  const product = await api(`/api/products/${encodeURIComponent(wanted)}`).catch((refusal) => ({ refusal }));
  const text = JSON.stringify(product);
  if (wanted !== name || text === drawn) return;
  drawn = text;
  if (product.refusal) return sheet.querySelector(".pad")?.replaceChildren(...rich(product.refusal.words));
  const unfolded = [...sheet.querySelectorAll("details[open]")].map((each) => each.dataset.part);
  const top = sheet.querySelector(".sheet-body")?.scrollTop ?? 0;
  const focused = document.activeElement;
  sheet.replaceChildren(heading(product), h("div", { class: "sheet-body" }, ...sections(product)));
  if (focused?.isConnected) focused.focus();
  for (const each of sheet.querySelectorAll("details")) if (unfolded.includes(each.dataset.part)) each.open = true;
  sheet.querySelector(".sheet-body").scrollTop = top;
}

function heading(product) {
  return h("header", { class: "sheet-head" },
    mark(product.state),
    h("h2", { id: "product-title" }, product.name),
    h("span", { class: `word ${product.state}` }, label(product.state)),
    h("button", { class: "icon-button", type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: () => sheet.close(), "data-testid": "close-product" }, "✕"));
}

function sections(product) {
  const parts = [
    product.problem
      ? h("p", { class: "banner" }, mark(product.state), h("span", {}, ...rich(product.problem)))
      : h("p", { class: "lead" }, plain(product.doing) || "No unfinished work.", product.since ? [" · ", h("span", { class: "quiet" }, age(product.since, product.state === "idle" ? "ago" : "span"))] : null),
    h("div", { class: "sheet-actions" },
      button("Start work…", `/fleet spawn ${product.name} `, "primary", act.fill),
      product.state === "paused" ? button("Resume", `/fleet resume ${product.name}`) : button("Pause", `/fleet pause ${product.name}`),
      product.sessions.length ? button("Stop…", `/fleet stop ${product.name}`, "quiet danger", act.fill) : null),
    figures(product),
    ...product.gate_list.filter((gate) => gate.state === "open").map((gate) => cardOf(gate).element),
    part("Sessions", product.sessions.length, sessions(product.sessions)),
    part("History", product.work.length, timeline(product)),
    folded("Recent messages", product.mail.length, mail(product.mail)),
    folded("Registry", 1, registry(product)),
  ];
  return parts.filter(Boolean);
}

/** Return the card of a gate. It is reused while the panel is open, so that a note in progress is not lost. */
function cardOf(gate) {
  if (!cards.has(gate.id)) cards.set(gate.id, new GateCard(gate, { brief: true, settled: (after) => { inbox.take(after); refresh(); } }));
  cards.get(gate.id).update(gate);
  return cards.get(gate.id);
}

function button(text, command, kind = "plain", run = act.send) {
  return h("button", { class: `button small ${kind}`, type: "button", title: command, onclick: () => { sheet.close(); run(command); } }, text);
}

function figures(product) {
  const all = [["Priority", product.priority], ["Type", product.type], ["Spent today", money(product.cost_usd_today)], ["Sessions", product.sessions.length], ["Queued", product.queued]];
  return h("dl", { class: "figures" }, ...all.map(([what, value]) => h("div", {}, h("dt", {}, what), h("dd", {}, String(value)))));
}

const part = (title, some, content) => (some ? h("section", {}, h("h3", {}, title), content) : null);
const folded = (title, some, content) =>
  some ? h("details", { class: "fold", "data-part": title }, h("summary", {}, h("h3", {}, title)), content) : null;

function sessions(all) {
  return h("div", { class: "table-scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Agent", "Capability", "State", "Running for", "Last activity"].map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, all.map((each) => h("tr", {}, h("td", {}, each.agent, each.task ? h("span", { class: "quiet" }, ` ${each.task}`) : null), h("td", {}, each.capability), h("td", {}, sessionLabel(each.state)), h("td", {}, each.since ? age(each.since, "span") : "–"), h("td", {}, each.last_activity ? age(each.last_activity) : "–"))))));
}

function timeline(product) {
  return h("ol", { class: "timeline", "data-testid": "timeline" }, product.work.map((work) =>
    h("li", {},
      h("p", { class: "work-title" }, mark(work.state), h("b", {}, work.objective), h("span", { class: "id" }, work.id)),
      work.ended_at ? null : h("p", { class: "quiet" }, progress(work)),
      h("ol", { class: "steps" }, steps(work, product).map(([what, at, more]) => h("li", {}, age(at), h("span", {}, what), more ? h("span", { class: "quiet" }, ` ${more}`) : null))),
      work.html ? h("div", { class: "prose result", html: work.html }) : null)));
}

const progress = ({ state, reason }) => [label(state), state === "waiting" ? reason.replace(/^waits for /, "") : reason].filter(Boolean).join(" · ");

/** List the steps of work, each with its label, its time and a detail. */
function steps(work, product) {
  const found = [["Requested", work.created_at, work.asked_by ? `by ${work.asked_by}` : ""]];
  if (work.started_at) found.push(["Started", work.started_at, work.agent ? `as ${work.agent}` : ""]);
  for (const gate of product.gate_list.filter((each) => each.work === work.id).reverse()) {
    found.push([`${capital(gate.kind)}${gate.revision > 1 ? `, revision ${gate.revision}` : ""}`, gate.created_at, gate.title]);
    if (gate.state !== "open") found.push([outcome(gate), gate.updated_at, ""]);
  }
  if (work.ended_at) found.push([label(work.state), work.ended_at, work.result ? "" : work.reason]);
  return found;
}

function mail(all) {
  return h("ol", { class: "mail" }, all.map((each) =>
    h("li", {}, h("details", { "data-part": each.id }, h("summary", {}, h("span", { class: "chip" }, each.type), h("b", {}, each.subject), h("span", { class: "quiet" }, ` ${each.from} → ${each.to} · `, age(each.at))), h("pre", {}, each.body || "(no text)")))));
}

function registry(product) {
  const { file, line, path, channels, resource_weight: weight, approvals, budget_per_day_usd: budget, runtime } = product.registry;
  const rows = [
    ["Entry", `${file}, line ${line}`],
    ["Path", path],
    ["Channels", channels.join(", ") || "none"],
    ["Weight", weight],
    ["Approvals", `${approvals.required} of ${approvals.deciders.join(", ") || "anyone with the admin token"}`],
    ["Daily budget", budget === null ? "no limit" : money(budget)],
    ["Runtime", runtime ?? "default"],
  ];
  return h("dl", { class: "rows" }, rows.map(([what, value]) => h("div", {}, h("dt", {}, what), h("dd", {}, String(value)))));
}
