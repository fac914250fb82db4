// Queue and capacity as one picture: who has a place, what is left of each limit, who waits for what; put into another order here.

import { age, announce, byId, h, mark, money, setText, span } from "./dom.js";
import { api } from "./net.js";

const sheet = byId("queue");
const MOST_PLACES = 24;
let drawn = "";
let asking = false;
let again = false;
let act = { send() {}, openProduct() {} };

/** `actions.send(text)` says something, `actions.openProduct(name)` shows a product. */
export function start(actions) {
  act = actions;
  byId("meters").addEventListener("click", open);
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
}

/** Show it. */
export async function open() {
  drawn = "";
  sheet.replaceChildren(heading(null), h("p", { class: "quiet pad" }, "Reading …"));
  if (!sheet.open) sheet.showModal();
  await refresh();
}

/** Read it again, because something changed. One reading at a time; what changed meanwhile is read after it. */
export async function refresh() {
  if (!sheet.open) return;
  if (asking) return void (again = true);
  asking = true;
  do {
    again = false;
    const picture = await api("/api/queue").catch((refusal) => ({ refusal }));
    if (sheet.open && !sheet.querySelector(".dragged")) draw(picture);
  } while (again);
  asking = false;
}

function draw(picture) {
  if (picture.refusal) return setText(sheet.querySelector(".pad") ?? sheet.querySelector(".queue-said"), picture.refusal.words);
  const text = JSON.stringify({ ...picture, at: "" });
  if (text === drawn) return;
  drawn = text;
  const top = sheet.querySelector(".sheet-body")?.scrollTop ?? 0;
  const focus = document.activeElement?.dataset?.key;
  sheet.replaceChildren(heading(picture), h("div", { class: "sheet-body" },
    h("p", { class: "queue-said quiet", role: "status" }),
    picture.capacity.frozen ? h("p", { class: "banner" }, mark("paused"), h("span", {}, `Nothing starts: ${picture.capacity.frozen}`)) : null,
    places(picture), limits(picture.capacity), line(picture.queue), without(picture.waiting), hidden(picture.hidden)));
  sheet.querySelector(".sheet-body").scrollTop = top;
  if (focus) sheet.querySelector(`[data-key="${focus}"]`)?.focus();
}

function heading(picture) {
  const braked = picture?.capacity.frozen;
  return h("header", { class: "sheet-head" },
    h("h2", { id: "queue-title" }, "Queue and capacity"),
    picture ? h("button", { class: "button small quiet danger brake", type: "button", title: braked ? "/fleet brake --release" : "/fleet brake", onclick: () => { sheet.close(); act.send(braked ? "/fleet brake --release" : "/fleet brake"); }, "data-testid": "brake" }, braked ? "Release the brake" : "Brake …") : null,
    h("button", { class: "icon-button", type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: () => sheet.close(), "data-testid": "close-queue" }, "✕"));
}

// -- who has a place --------------------------------------------------------------------------------------------------

function places({ running, capacity, at }) {
  const { used, max } = capacity.sessions;
  const shown = Math.min(Math.max(max, used), MOST_PLACES);
  const boxes = running.slice(0, shown).map((work) => place(work, at));
  const others = Math.max(0, Math.min(used, shown) - boxes.length);
  for (let n = 0; n < others; n++) boxes.push(h("li", { class: "place other" }, h("span", { class: "quiet" }, "in use")));
  while (boxes.length < shown) boxes.push(h("li", { class: "place free" }, h("span", { class: "quiet" }, "free")));
  const more = Math.max(max, used) - shown;
  return h("section", {}, h("h3", {}, "Places ", h("span", { class: "quiet" }, `${used} of ${max} in use`)),
    h("ul", { class: "places", "data-testid": "places" }, boxes), more > 0 ? h("p", { class: "quiet" }, `and ${more} more`) : null);
}

function place(work, now) {
  const since = work.started_at ? Date.parse(now) - Date.parse(work.started_at) : 0;
  const usual = work.usually_seconds >= 1 ? work.usually_seconds * 1000 : 0;
  const share = usual ? Math.min(1, since / usual) : 0;
  return h("li", { class: "place taken", "data-work": work.id, title: work.objective },
    h("button", { class: "link", type: "button", onclick: () => { sheet.close(); act.openProduct(work.product); } }, work.product),
    h("span", { class: "place-what" }, work.objective),
    h("span", { class: "quiet" }, work.started_at ? age(work.started_at, "span") : work.state, usual ? ` of usually ${span(usual)}` : "", work.cost_usd ? ` · ${money(work.cost_usd)}` : ""),
    usual ? h("i", { class: "bar", "aria-hidden": "true" }, filled(`${share * 100}%`)) : null);
}

/** Part of a bar; its width is set here because the page allows no inline styles. */
function filled(width, kind = "") {
  const part = h("i", { class: kind });
  part.style.width = width;
  return part;
}

// -- what is left of each limit ---------------------------------------------------------------------------------------

const LIMITS = [
  ["cpu_percent", "CPU", (n) => `${Math.round(n)} %`],
  ["memory_gb", "Memory", (n) => `${+n.toFixed(1)} GB`],
  ["cost_usd_today", "Money today", money],
  ["weight", "Weight", (n) => String(+n.toFixed(2))],
];

function limits(capacity) {
  const shown = LIMITS.filter(([name]) => name !== "weight" || capacity.weight.max);
  return h("section", {}, h("h3", {}, "Limits"), h("dl", { class: "limits", "data-testid": "limits" }, shown.map(([name, title, words]) => limit(title, words, capacity[name]))));
}

function limit(title, words, { used, reserved, max }) {
  const part = (n) => `${max ? Math.min(100, (n / max) * 100) : 0}%`;
  const full = max && used >= max;
  const promised = words(reserved) === words(0) ? "" : `, ${words(reserved)} promised`;
  return h("div", { class: full ? "full" : "" }, h("dt", {}, title),
    h("dd", {}, h("b", {}, words(used)), max ? ` of ${words(max)}` : ", no limit", promised),
    max ? h("span", { class: "bar", "aria-hidden": "true" }, filled(part(used)), filled(`min(${part(reserved)}, 100% - ${part(used)})`, "promised")) : null);
}

// -- who waits for what -----------------------------------------------------------------------------------------------

function line(queue) {
  const items = queue.map((work, at) => waiting(work, at, queue));
  return h("section", {}, h("h3", {}, "Waiting ", h("span", { class: "quiet" }, queue.length ? String(queue.length) : "")),
    queue.length ? h("ol", { class: "waiting", "data-testid": "waiting" }, items) : h("p", { class: "quiet" }, "Nothing waits."));
}

function waiting(work, at, queue) {
  const button = (label, sign, run, off) => h("button", { class: "icon-button small", type: "button", "aria-label": `${label} ${work.id}`, title: label, disabled: off, "data-key": `${label}-${work.id}`, onclick: run }, sign);
  const item = h("li", { draggable: "true", "data-work": work.id, "data-testid": `waiting-${work.id}` },
    h("span", { class: "number" }, String(work.place)),
    h("div", { class: "waits" },
      h("p", {}, h("button", { class: "link", type: "button", onclick: () => { sheet.close(); act.openProduct(work.product); } }, work.product), " ", h("span", {}, work.objective), " ", h("span", { class: "id" }, work.id)),
      h("p", { class: "why" }, mark(work.code === "starts" ? "working" : "queued"), h("span", {}, work.reason, work.wait ? `; ${work.wait}` : "")),
      h("p", { class: "quiet" }, "asked ", age(work.created_at), work.asked_by ? ` by ${work.asked_by}` : "", work.source === "schedule" ? ", by a schedule" : "", work.priority ? ` · ${work.priority}` : "", work.deadline ? [" · by ", new Date(work.deadline).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })] : "")),
    h("div", { class: "moves" },
      button("Up", "↑", () => move(work.id, queue[at - 1].id), at === 0),
      button("Down", "↓", () => move(work.id, queue[at + 2]?.id), at === queue.length - 1),
      button("Cancel", "✕", () => change("cancel", { work: work.id }, `${work.id} is cancelled.`))));
  dragging(item, queue);
  return item;
}

function dragging(item, queue) {
  item.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData("text/plain", item.dataset.work);
    event.dataTransfer.effectAllowed = "move";
    item.classList.add("dragged");
  });
  item.addEventListener("dragend", () => { item.classList.remove("dragged"); refresh(); });
  item.addEventListener("dragover", (event) => { event.preventDefault(); item.classList.add("over"); });
  item.addEventListener("dragleave", () => item.classList.remove("over"));
  item.addEventListener("drop", (event) => {
    event.preventDefault();
    item.classList.remove("over");
    const moved = event.dataTransfer.getData("text/plain");
    const ids = queue.map((each) => each.id);
    if (!ids.includes(moved) || moved === item.dataset.work) return;
    const down = ids.indexOf(moved) < ids.indexOf(item.dataset.work);
    sheet.querySelector(".dragged")?.classList.remove("dragged");
    move(moved, down ? ids[ids.indexOf(item.dataset.work) + 1] : item.dataset.work);
  });
}

/** Put work right before another, or at the end. */
const move = (work, before) => change("prioritize", before ? { what: work, before } : { what: work, last: true }, `${work} was moved.`);

async function change(skill, words, said) {
  try {
    await api(`/api/skills/${skill}`, words);
    announce(said);
  } catch (refusal) {
    setText(sheet.querySelector(".queue-said"), refusal.words);
    announce(refusal.words);
  }
  drawn = "";
  await refresh();
}

function without(work) {
  if (!work.length) return null;
  return h("section", {}, h("h3", {}, "Under way without a place"),
    h("ul", { class: "without" }, work.map((each) => h("li", {}, mark(each.state === "waiting" ? "waiting" : "paused"), h("span", {}, h("b", {}, each.product), ` ${each.objective}`, h("span", { class: "quiet" }, ` ${each.reason || each.state}`))))));
}

const hidden = (number) => (number ? h("p", { class: "quiet" }, `and ${number} more in products that are not shown to you.`) : null);
