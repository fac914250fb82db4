// The list of products, the totals and meters in the header, and the banners.

import { age, arrange, byId, count, h, money, plain, sentence, setText } from "./dom.js";
import { label, mark } from "./states.js";

const list = byId("products");
const rows = new Map();
let latest = [];
let openProduct = () => {};

/** `open(name)` opens a product. */
export function start(open) {
  openProduct = open;
  const settle = () => setTimeout(() => !reading() && order(), 50);
  list.addEventListener("pointerleave", settle);
  list.addEventListener("focusout", settle);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [...list.querySelectorAll("button.product")];
    buttons[buttons.indexOf(document.activeElement) + step]?.focus();
    event.preventDefault();
  });
}

const reading = () => list.matches(":hover") || list.contains(document.activeElement);

/** Show a status. Rows update where they are and move only while no one reads them. */
export function show(status) {
  latest = status.products;
  for (const product of latest) {
    if (!rows.has(product.name)) rows.set(product.name, row(product.name));
    fill(rows.get(product.name), product);
  }
  for (const name of rows.keys()) if (!latest.some((each) => each.name === name)) rows.delete(name);
  if (rows.size !== list.children.length || !reading()) order();
  setText(byId("product-count"), latest.length ? String(latest.length) : "");
  empty(latest.length === 0);
  totals(status);
  meters(status);
  banners(status);
  byId("rehearsal").hidden = !status.runtimes.some((each) => each.rehearsal);
}

export const names = () => latest.map((each) => each.name).sort();

function order() {
  arrange(list, latest.map((each) => rows.get(each.name).item));
}

function row(name) {
  const button = h("button", { class: "product", type: "button", onclick: () => openProduct(name), "data-testid": `product-${name}` });
  return { item: h("li", { "data-product": name }, button), button, drawn: "" };
}

function fill(row, product) {
  const drawn = JSON.stringify([product.state, product.doing, product.since, product.cost_usd_today, product.queued, product.problem]);
  if (row.drawn === drawn) return;
  row.drawn = drawn;
  row.button.dataset.state = product.state;
  row.button.setAttribute("aria-label", `${product.name}: ${label(product.state)}. ${product.doing}`);
  row.button.replaceChildren(
    mark(product.state),
    h("span", { class: "product-name" }, product.name),
    product.cost_usd_today ? h("span", { class: "product-cost", title: "Spent today" }, money(product.cost_usd_today)) : h("span"),
    h("span", { class: "facts" }, ...facts(product)),
    ...(product.doing ? [h("span", { class: "doing" }, plain(product.doing))] : []),
  );
}

const round = (usd) => money(usd).replace(/\.00$/, "");

function facts(product) {
  const facts = [h("span", { class: `word ${product.state}` }, label(product.state))];
  if (product.since) facts.push(age(product.since, product.state === "idle" ? "ago" : "span"));
  if (product.queued) facts.push(h("span", {}, `${product.queued} queued`));
  return facts;
}

function empty(none) {
  const area = byId("products-empty");
  if (!none) area.replaceChildren();
  else if (!area.children.length) {
    area.append(
      h("div", { class: "empty" },
        h("h3", {}, "No products yet"),
        h("p", {}, "A product is a git repository that agents work in. Run ", h("code", {}, "fleet init"), ", or add one to ", h("code", {}, "products.yaml"), ". It is loaded at once."),
        h("pre", {}, "products:\n  - name: my-product\n    path: ../my-product")),
    );
  }
}

const TOTALS = ["failed", "unreachable", "waiting", "running", "paused", "idle"];

function totals(status) {
  const number = (state) => status.products.filter((product) => product.state === state).length;
  const words = (state, n) => `${n} ${label(state).toLowerCase()}`;
  const queued = status.products.reduce((sum, product) => sum + product.queued, 0);
  const parts = TOTALS.filter(number).map((state) => words(state, number(state)));
  if (queued) parts.push(`${queued} queued`);
  setText(byId("totals"), parts.join(" · "));
}

const METERS = [
  ["slots", "Slots", (used, most) => `${used} of ${most}`],
  ["sessions", "Sessions", (used) => String(used)],
  ["cpu_percent", "CPU", (used) => `${Math.round(used)} %`],
  ["memory_gb", "Memory", (used, most) => (most ? `${used.toFixed(1)} of ${most} GB` : `${used.toFixed(1)} GB`)],
  ["cost_usd_today", "Today", (used, limit) => (limit ? `${money(used)} of ${round(limit)}` : money(used))],
];

function meters({ capacity }) {
  const amounts = { ...capacity, sessions: { used: capacity.sessions_running, max: null } };
  const area = byId("meters");
  if (!area.children.length) {
    for (const [name, title] of METERS) {
      const meter = h("div", { class: "meter", "data-meter": name, "data-testid": `meter-${name}` }, h("span", {}, title), h("b", {}), h("i", { "aria-hidden": "true" }, h("i")));
      area.append(meter);
    }
  }
  METERS.forEach(([name, title, words], at) => {
    const { used, max } = amounts[name];
    const meter = area.children[at];
    const share = max ? Math.min(1, used / max) : 0;
    setText(meter.querySelector("b"), words(used, max));
    meter.classList.toggle("full", share >= 1);
    meter.classList.toggle("unlimited", !max);
    meter.title = `${title}: ${words(used, max)}${max || name === "sessions" ? "" : ", no limit"}`;
    meter.querySelector("i > i").style.width = `${Math.max(share * 100, used > 0 && max ? 3 : 0)}%`;
  });
}

function banners(status) {
  const found = [];
  const problems = status.registry_problems;
  if (problems.length) {
    found.push(
      h("details", { class: "banner", "data-testid": "registry-problems" },
        h("summary", {}, mark("failed"), h("span", {}, `products.yaml has ${count(problems.length, "problem")}. The fleet uses the last valid version. `), h("u", {}, "Show")),
        h("ul", {}, ...problems.map((each) => h("li", {}, h("code", {}, each))))),
    );
  }
  for (const each of status.unreachable) {
    found.push(
      h("div", { class: "banner", "data-testid": "unreachable" }, mark("unreachable"),
        h("span", {}, `The runtime ${each.runtime} has been unreachable for `, age(each.since, "span"), `. ${sentence(each.reason)} Its sessions may still be running. Run `, h("code", {}, "fleet doctor"), " to find the cause.")),
    );
  }
  const area = byId("banners");
  const drawn = JSON.stringify([problems, status.unreachable]);
  if (area.dataset.drawn === drawn) return;
  area.dataset.drawn = drawn;
  area.replaceChildren(...found, ...area.querySelectorAll(".reload"));
}
