// One product in full: how it stands, its history, its sessions and mail, and what the registry says of it.

import { SAID, age, byId, h, mark, money, plain, setText } from "./dom.js";
import { GateCard, outcome } from "./gate.js";
import * as inbox from "./inbox.js";
import { api } from "./net.js";
import { WORK } from "./talk.js";

const sheet = byId("product");
let name = "";
let drawn = "";
const cards = new Map();
let act = { send() {}, fill() {} };

/** `actions.send(text)` says something, `actions.fill(text)` prepares it. */
export function start(actions) {
  act = actions;
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  sheet.addEventListener("close", () => {
    name = "";
    cards.clear();
  });
}

/** Show a product. */
export async function open(product) {
  name = product;
  drawn = "";
  sheet.replaceChildren(heading({ name: product, state: "idle", doing: "" }), h("p", { class: "quiet pad" }, "Reading …"));
  if (!sheet.open) sheet.showModal();
  await refresh();
}

/** Read it again, because something changed. */
export async function refresh() {
  if (!name) return;
  const wanted = name;
  const product = await api(`/api/products/${encodeURIComponent(wanted)}`).catch((refusal) => ({ refusal }));
  const text = JSON.stringify(product);
  if (wanted !== name || text === drawn) return;
  drawn = text;
  if (product.refusal) return setText(sheet.querySelector(".pad"), product.refusal.words);
  const kept = [...sheet.querySelectorAll("details[open]")].map((each) => each.dataset.part);
  const top = sheet.querySelector(".sheet-body")?.scrollTop ?? 0;
  const focused = document.activeElement;
  sheet.replaceChildren(heading(product), h("div", { class: "sheet-body" }, ...sections(product)));
  if (focused?.isConnected) focused.focus();
  for (const each of sheet.querySelectorAll("details")) if (kept.includes(each.dataset.part)) each.open = true;
  sheet.querySelector(".sheet-body").scrollTop = top;
}

function heading(product) {
  return h("header", { class: "sheet-head" },
    mark(product.state),
    h("h2", { id: "product-title" }, product.name),
    h("span", { class: `word ${product.state}` }, SAID[product.state] ?? product.state),
    h("button", { class: "icon-button", type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: () => sheet.close(), "data-testid": "close-product" }, "✕"));
}

function sections(product) {
  const parts = [
    product.problem
      ? h("p", { class: "banner" }, mark("trouble"), h("span", {}, product.problem))
      : h("p", { class: "lead" }, plain(product.doing) || "Nothing runs here.", product.since ? [" ", h("span", { class: "quiet" }, age(product.since, product.state === "idle" ? "ago" : "span"))] : null),
    h("div", { class: "sheet-actions" },
      button("Give it work …", `/fleet spawn ${product.name} `, "primary", act.fill),
      product.state === "paused" ? button("Resume", `/fleet resume ${product.name}`) : button("Pause", `/fleet pause ${product.name}`),
      product.sessions.length ? button("Stop", `/fleet stop ${product.name}`, "quiet danger", act.fill) : null),
    figures(product),
    ...product.gate_list.filter((gate) => gate.state === "open").map((gate) => cardOf(gate).element),
    part("Sessions", product.sessions.length, sessions(product.sessions)),
    part("History", product.work.length, timeline(product)),
    folded("Mail", product.mail.length, mail(product.mail)),
    folded("Registry", 1, registry(product)),
  ];
  return parts.filter(Boolean);
}

/** A gate's card, the same one as long as the sheet shows it: somebody may be writing in it. */
function cardOf(gate) {
  if (!cards.has(gate.id)) cards.set(gate.id, new GateCard(gate, { brief: true, settled: (after) => { inbox.take(after); refresh(); } }));
  cards.get(gate.id).update(gate);
  return cards.get(gate.id);
}

function button(label, command, kind = "plain", run = act.send) {
  return h("button", { class: `button small ${kind}`, type: "button", title: command, onclick: () => { sheet.close(); run(command); } }, label);
}

function figures(product) {
  const all = [["Priority", product.priority], ["Kind", product.type], ["Spent today", money(product.cost_usd_today)], ["Sessions", product.sessions.length], ["Queued", product.queued]];
  return h("dl", { class: "figures" }, ...all.map(([what, value]) => h("div", {}, h("dt", {}, what), h("dd", {}, String(value)))));
}

const part = (title, some, content) => (some ? h("section", {}, h("h3", {}, title), content) : null);
const folded = (title, some, content) =>
  some ? h("details", { class: "fold", "data-part": title }, h("summary", {}, h("h3", {}, title)), content) : null;

function sessions(all) {
  return h("div", { class: "table-scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Agent", "Capability", "State", "Since", "Last sign of life"].map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, all.map((each) => h("tr", {}, h("td", {}, each.agent, each.task ? h("span", { class: "quiet" }, ` ${each.task}`) : null), h("td", {}, each.capability), h("td", {}, each.state.replace("_", " ")), h("td", {}, each.since ? age(each.since, "span") : "–"), h("td", {}, each.last_activity ? age(each.last_activity) : "–"))))));
}

function timeline(product) {
  return h("ol", { class: "timeline", "data-testid": "timeline" }, product.work.map((work) => {
    const steps = [["asked", work.created_at, work.asked_by ? `by ${work.asked_by}` : ""]];
    if (work.started_at) steps.push(["started", work.started_at, work.agent ? `as ${work.agent}` : ""]);
    for (const gate of product.gate_list.filter((each) => each.work === work.id).reverse()) {
      steps.push([`${gate.kind}${gate.revision > 1 ? `, revision ${gate.revision}` : ""}`, gate.created_at, gate.title]);
      if (gate.state !== "open") steps.push([outcome(gate), gate.updated_at, ""]);
    }
    if (work.ended_at) steps.push([work.state, work.ended_at, work.result ? "" : work.reason]);
    return h("li", {},
      h("p", { class: "work-title" }, mark(WORK[work.state]), h("b", {}, work.objective), h("span", { class: "id" }, work.id)),
      work.ended_at ? null : h("p", { class: "quiet" }, `${work.state}${work.reason ? `: ${work.reason}` : ""}`),
      h("ol", { class: "steps" }, steps.map(([what, at, more]) => h("li", {}, age(at), h("span", {}, what), more ? h("span", { class: "quiet" }, ` ${more}`) : null))),
      work.html ? h("div", { class: "prose result", html: work.html }) : null);
  }));
}

function mail(all) {
  return h("ol", { class: "mail" }, all.map((each) =>
    h("li", {}, h("details", { "data-part": each.id }, h("summary", {}, h("span", { class: "chip" }, each.type), h("b", {}, each.subject), h("span", { class: "quiet" }, ` ${each.from} → ${each.to} · `, age(each.at))), h("pre", {}, each.body || "(no text)")))));
}

function registry(product) {
  const entry = product.registry;
  const rows = [["Where", `${entry.file}, line ${entry.line}`], ["Path", entry.path], ["Channels", entry.channels.join(", ") || "none"], ["Weight", entry.resource_weight], ["Gates", `${entry.approvals.required} of ${entry.approvals.deciders.join(", ") || "the holder of the token"}`], ["Budget a day", entry.budget_per_day_usd === null ? "no limit of its own" : money(entry.budget_per_day_usd)], ["Runtime", entry.runtime ?? "default"]];
  return h("dl", { class: "rows" }, rows.map(([what, value]) => h("div", {}, h("dt", {}, what), h("dd", {}, String(value)))));
}
