// The queue panel: the work in slots, the use of each limit, and the queue, whose order can be changed here.

import { age, announce, byId, h, money, rich, span } from "./dom.js";
import { api } from "./net.js";
import { label, mark } from "./states.js";

const sheet = byId("queue");
const MOST_SLOTS = 24;
let drawn = "";
let loading = false;
let again = false;
let act = { send() {}, openProduct() {} };

/** `actions.send(text)` sends a message, `actions.openProduct(name)` opens a product. */
export function start(actions) {
  act = actions;
  byId("meters").addEventListener("click", open);
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
}

/** Open the panel. */
export async function open() {
  drawn = "";
  sheet.replaceChildren(heading(null), h("p", { class: "quiet pad" }, "Loading…"));
  if (!sheet.open) sheet.showModal();
  await refresh();
}

/** Load the queue again after a change. Requests do not overlap: a change meanwhile loads it once more. */
export async function refresh() {
  if (!sheet.open) return;
  if (loading) return void (again = true);
  loading = true;
  do {
    again = false;
    const picture = await api("/api/queue").catch((refusal) => ({ refusal }));
    if (sheet.open && !sheet.querySelector(".dragged")) draw(picture);
  } while (again);
  loading = false;
}

function complain(words) {
  (sheet.querySelector(".pad") ?? sheet.querySelector(".queue-error"))?.replaceChildren(...rich(words));
}

function draw(picture) {
  if (picture.refusal) return complain(picture.refusal.words);
  const text = JSON.stringify({ ...picture, at: "" });
  if (text === drawn) return;
  drawn = text;
  const top = sheet.querySelector(".sheet-body")?.scrollTop ?? 0;
  const focus = document.activeElement?.dataset?.key;
  sheet.replaceChildren(heading(picture), h("div", { class: "sheet-body" },
    h("p", { class: "queue-error quiet", role: "status" }),
    picture.capacity.frozen ? h("p", { class: "banner" }, mark("paused"), h("span", {}, `No work starts. ${picture.capacity.frozen}`)) : null,
    slots(picture), limits(picture.capacity), queue(picture.queue), waiting(picture.waiting), hidden(picture.hidden)));
  sheet.querySelector(".sheet-body").scrollTop = top;
  if (focus) sheet.querySelector(`[data-key="${focus}"]`)?.focus();
}

function heading(picture) {
  const braked = picture?.capacity.frozen;
  const command = braked ? "/fleet brake --release" : "/fleet brake";
  return h("header", { class: "sheet-head" },
    h("h2", { id: "queue-title" }, "Queue and capacity"),
    picture ? h("button", { class: "button small quiet danger brake", type: "button", title: braked ? command : `Apply the brake (${command})`, onclick: () => { sheet.close(); act.send(command); }, "data-testid": "brake" }, braked ? "Release the brake" : "Stop all work…") : null,
    h("button", { class: "icon-button", type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: () => sheet.close(), "data-testid": "close-queue" }, "✕"));
}

// -- slots ------------------------------------------------------------------------------------------------------------

function slots({ running, capacity, at }) {
  const { used, max } = capacity.slots;
  const shown = Math.min(Math.max(max, used), MOST_SLOTS);
  const boxes = running.slice(0, shown).map((work) => slot(work, at));
  const others = Math.max(0, Math.min(used, shown) - boxes.length);
  for (let n = 0; n < others; n++) boxes.push(h("li", { class: "slot other" }, h("span", { class: "quiet" }, "in use")));
  while (boxes.length < shown) boxes.push(h("li", { class: "slot free" }, h("span", { class: "quiet" }, "free")));
  const more = Math.max(max, used) - shown;
  return h("section", {}, h("h3", {}, "Slots ", h("span", { class: "quiet" }, `${used} of ${max} in use`)),
    h("ul", { class: "slots", "data-testid": "slots" }, boxes), more > 0 ? h("p", { class: "quiet" }, `and ${more} more`) : null);
}

function slot(work, now) {
  const since = work.started_at ? Date.parse(now) - Date.parse(work.started_at) : 0;
  const usual = work.usually_seconds >= 1 ? work.usually_seconds * 1000 : 0;
  const share = usual ? Math.min(1, since / usual) : 0;
  return h("li", { class: "slot taken", "data-work": work.id, title: work.objective },
    h("button", { class: "link", type: "button", onclick: () => { sheet.close(); act.openProduct(work.product); } }, work.product),
    h("span", { class: "slot-objective" }, work.objective),
    h("span", { class: "quiet" }, label(work.state), work.started_at ? [", ", age(work.started_at, "span")] : "", usual ? ` of about ${span(usual)}` : "", work.cost_usd ? ` · ${money(work.cost_usd)}` : ""),
    usual ? h("i", { class: "bar", "aria-hidden": "true" }, filled(`${share * 100}%`)) : null);
}

/** Create part of a bar. Its width is set here because the content security policy forbids inline styles. */
function filled(width, kind = "") {
  const part = h("i", { class: kind });
  part.style.width = width;
  return part;
}

// -- limits -----------------------------------------------------------------------------------------------------------

const LIMITS = [
  ["cpu_percent", "CPU", (n) => `${Math.round(n)} %`],
  ["memory_gb", "Memory", (n) => `${+n.toFixed(1)} GB`],
  ["cost_usd_today", "Spent today", money],
  ["weight", "Weight", (n) => String(+n.toFixed(2))],
];

function limits(capacity) {
  const shown = LIMITS.filter(([name]) => name !== "weight" || capacity.weight.max);
  return h("section", {}, h("h3", {}, "Limits"), h("dl", { class: "limits", "data-testid": "limits" }, shown.map(([name, title, words]) => limit(title, words, capacity[name]))));
}

function limit(title, words, { used, reserved, max }) {
  const part = (n) => `${max ? Math.min(100, (n / max) * 100) : 0}%`;
  const full = max && used >= max;
  const booked = words(reserved) === words(0) ? "" : `, ${words(reserved)} reserved`;
  return h("div", { class: full ? "full" : "" }, h("dt", {}, title),
    h("dd", {}, h("b", {}, words(used)), max ? ` of ${words(max)}` : ", no limit", booked),
    max ? h("span", { class: "bar", "aria-hidden": "true" }, filled(part(used)), filled(`min(${part(reserved)}, 100% - ${part(used)})`, "reserved")) : null);
}

// -- queue ------------------------------------------------------------------------------------------------------------

function queue(all) {
  const items = all.map((work, at) => queued(work, at, all));
  return h("section", {}, h("h3", {}, "Queued ", h("span", { class: "quiet" }, all.length ? String(all.length) : "")),
    all.length ? h("ol", { class: "queue", "data-testid": "queued" }, items) : h("p", { class: "quiet" }, "The queue is empty."));
}

function queued(work, at, all) {
  const button = (text, sign, run, off) => h("button", { class: "icon-button small", type: "button", "aria-label": `${text} ${work.id}`, title: text, disabled: off, "data-key": `${text}-${work.id}`, onclick: run }, sign);
  const item = h("li", { draggable: "true", "data-work": work.id, "data-testid": `queued-${work.id}` },
    h("span", { class: "number" }, String(work.position)),
    h("div", { class: "queue-item" },
      h("p", {}, h("button", { class: "link", type: "button", onclick: () => { sheet.close(); act.openProduct(work.product); } }, work.product), " ", h("span", {}, work.objective), " ", h("span", { class: "id" }, work.id)),
      h("p", { class: "why" }, mark(work.code === "starts" ? "starting" : "queued"), h("span", {}, work.reason, work.wait ? `, ${work.wait}` : "")),
      h("p", { class: "quiet" }, ...origin(work))),
    h("div", { class: "moves" },
      button("Move up", "↑", () => move(work.id, all[at - 1].id), at === 0),
      button("Move down", "↓", () => move(work.id, all[at + 2]?.id), at === all.length - 1),
      button("Cancel", "✕", () => change("cancel", { work: work.id }, `${work.id} cancelled.`))));
  dragging(item, all);
  return item;
}

function origin(work) {
  const parts = ["requested ", age(work.created_at)];
  if (work.asked_by) parts.push(` by ${work.asked_by}`);
  if (work.source === "schedule") parts.push(", scheduled");
  if (work.priority) parts.push(` · ${work.priority} priority`);
  if (work.deadline) parts.push(` · due ${new Date(work.deadline).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`);
  return parts;
}

function dragging(item, all) {
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
    const ids = all.map((each) => each.id);
    if (!ids.includes(moved) || moved === item.dataset.work) return;
    const down = ids.indexOf(moved) < ids.indexOf(item.dataset.work);
    sheet.querySelector(".dragged")?.classList.remove("dragged");
    move(moved, down ? ids[ids.indexOf(item.dataset.work) + 1] : item.dataset.work);
  });
}

/** Move work right before another, or to the end of the queue. */
const move = (work, before) => change("prioritize", before ? { what: work, before } : { what: work, last: true }, `${work} moved.`);

async function change(skill, args, done) {
  try {
    await api(`/api/skills/${skill}`, args);
    announce(done);
  } catch (refusal) {
    complain(refusal.words);
    announce(refusal.words);
  }
  drawn = "";
  await refresh();
}

// -- work without a slot ----------------------------------------------------------------------------------------------

function waiting(all) {
  if (!all.length) return null;
  return h("section", {}, h("h3", {}, "Waiting or paused ", h("span", { class: "quiet" }, "no slot used")),
    h("ul", { class: "no-slot" }, all.map((each) => h("li", {}, mark(each.state), h("span", {}, h("b", {}, each.product), ` ${each.objective}`, h("span", { class: "quiet" }, ` ${each.reason || label(each.state)}`))))));
}

const hidden = (number) => (number ? h("p", { class: "quiet" }, `and ${number} more in products you cannot see.`) : null);
