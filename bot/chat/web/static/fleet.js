// The left column and the top: every product at a glance, what is in use, and what is wrong with the whole.

import { SAID, age, arrange, byId, count, h, mark, money, plain, setText } from "./dom.js";

const list = byId("products");
const rows = new Map();
let latest = [];
let openProduct = () => {};

/** `open(name)` shows a product in full. */
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

/** Show a status. Rows change where they are; they change places only while nobody reads them. */
export function show(status) {
  latest = status.products;
  for (const product of latest) {
    if (!rows.has(product.name)) rows.set(product.name, row(product.name));
    fill(rows.get(product.name), product);
  }
  for (const name of rows.keys()) if (!latest.some((each) => each.name === name)) rows.delete(name);
  if (rows.size !== list.children.length || !reading()) order();
  setText(byId("fleet-count"), latest.length ? String(latest.length) : "");
  empty(latest.length === 0);
  totals(status);
  meters(status.capacity);
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
  const word = SAID[product.state] ?? product.state;
  row.button.dataset.state = product.state;
  row.button.setAttribute("aria-label", `${product.name}: ${word}. ${product.doing}`);
  row.button.replaceChildren(
    mark(product.state),
    h("span", { class: "product-name" }, product.name),
    h("span", { class: `word ${product.state}` }, word),
    ...(product.doing ? [h("span", { class: "doing" }, plain(product.doing))] : []),
    h("span", { class: "facts" }, ...facts(product)),
  );
}

const round = (usd) => money(usd).replace(/\.00$/, "");

function facts(product) {
  const facts = [];
  if (product.since) facts.push(age(product.since, product.state === "idle" ? "ago" : "span"));
  if (product.cost_usd_today) facts.push(h("span", { title: "Spent today" }, money(product.cost_usd_today)));
  if (product.queued && product.state !== "queued") facts.push(h("span", {}, `${product.queued} queued`));
  return facts;
}

function empty(none) {
  const place = byId("fleet-empty");
  if (!none) place.replaceChildren();
  else if (!place.children.length) {
    place.append(
      h("div", { class: "empty" },
        h("h3", {}, "No product yet"),
        h("p", {}, "A product is a git repository that agents work on. Run ", h("code", {}, "fleet init"), ", or add one to ", h("code", {}, "products.yaml"), "; it is taken up at once:"),
        h("pre", {}, "products:\n  - name: my-product\n    path: ../my-product")),
    );
  }
}

function totals(status) {
  const counts = new Map();
  for (const product of status.products) counts.set(product.state, (counts.get(product.state) ?? 0) + 1);
  const parts = ["trouble", "waiting", "working", "queued", "paused", "idle"]
    .filter((state) => counts.get(state))
    .map((state) => `${counts.get(state)} ${state === "waiting" && counts.get(state) > 1 ? "wait for you" : (SAID[state] ?? state)}`);
  setText(byId("totals"), parts.join(" · "));
}

const METERS = [
  ["sessions", "Sessions", (used, most) => `${used} of ${most}`],
  ["cpu_percent", "CPU", (used) => `${Math.round(used)} %`],
  ["memory_gb", "Memory", (used, most) => (most ? `${used.toFixed(1)} of ${most} GB` : `${used.toFixed(1)} GB`)],
  ["cost_usd_today", "Today", (used, limit) => (limit ? `${money(used)} of ${round(limit)}` : money(used))],
];

function meters(capacity) {
  const place = byId("meters");
  if (!place.children.length) {
    for (const [name, title] of METERS) {
      const meter = h("div", { class: "meter", "data-meter": name, "data-testid": `meter-${name}` }, h("span", {}, title), h("b", {}), h("i", { "aria-hidden": "true" }, h("i")));
      place.append(meter);
    }
  }
  METERS.forEach(([name, title, words], at) => {
    const { used, max } = capacity[name];
    const meter = place.children[at];
    const share = max ? Math.min(1, used / max) : 0;
    setText(meter.querySelector("b"), words(used, max));
    meter.classList.toggle("full", share >= 1);
    meter.classList.toggle("unlimited", !max);
    meter.title = max ? `${title}: ${words(used, max)}` : `${title}: ${words(used, max)}, without a limit`;
    meter.querySelector("i > i").style.width = `${Math.max(share * 100, used > 0 && max ? 3 : 0)}%`;
  });
}

function banners(status) {
  const found = [];
  const problems = status.registry_problems;
  if (problems.length) {
    found.push(
      h("details", { class: "banner", "data-testid": "registry-problems" },
        h("summary", {}, mark("trouble"), h("span", {}, `products.yaml has ${count(problems.length, "problem")}; the fleet goes on with the last good one. `), h("u", {}, "Show")),
        h("ul", {}, ...problems.map((each) => h("li", {}, h("code", {}, each))))),
    );
  }
  for (const each of status.unreachable) {
    found.push(
      h("div", { class: "banner", "data-testid": "unreachable" }, mark("trouble"),
        h("span", {}, `The runtime ${each.runtime} has not answered for `, age(each.since, "span"), `: ${each.reason} Its sessions may be running on; `, h("code", {}, "fleet doctor"), " says more.")),
    );
  }
  const place = byId("banners");
  const drawn = JSON.stringify([problems, status.unreachable]);
  if (place.dataset.drawn === drawn) return;
  place.dataset.drawn = drawn;
  place.replaceChildren(...found);
}
