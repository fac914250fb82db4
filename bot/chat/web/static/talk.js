// The middle column: conversations, what was said in them, and the answer that is being written.

import { age, announce, byId, h, mark, plain, setText } from "./dom.js";
import { GateCard } from "./gate.js";
import * as inbox from "./inbox.js";
import { api } from "./net.js";

const NAMED = { main: "Main", fleet: "Fleet news", terminal: "Terminal" };
const NEAR = 120;
const scroll = byId("posts-scroll");
const place = byId("posts");
const seen = JSON.parse(localStorage.getItem("fleet.seen") ?? "{}");
const firstVisit = localStorage.getItem("fleet.seen") === null;

/** One conversation as far as it is known here. */
class Talk {
  constructor(id) {
    Object.assign(this, { id, title: "", updated: "", posts: new Map(), last: 0, loaded: false, more: false, live: null, doing: [], turn: false });
  }
}

const talks = new Map();
const pending = new Map();
const cards = new Set();
let current = null;
let me = "";
let act = { send() {}, fill() {} };

/** Begin with the conversation in the address, or the main one. `actions.send(text)` says, `actions.fill(text)` prepares. */
export function start(name, actions) {
  me = name;
  act = actions;
  inbox.watch((gate) => cards.forEach((card) => card.gate.id === gate.id && card.update(gate)));
  scroll.addEventListener("scroll", scrolled, { passive: true });
  byId("newer").addEventListener("click", () => toEnd(true));
  new ResizeObserver(() => pinned && toEnd()).observe(scroll);
  byId("talk-menu").addEventListener("click", () => menu(byId("conversations").hidden));
  byId("new-talk").addEventListener("click", fresh);
  addEventListener("hashchange", () => show(fromHash()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#conversations, #talk-menu")) menu(false);
  });
  current = talkOf(fromHash());
}

export const currentId = () => current.id;
export const turnRuns = () => current.turn;

const fromHash = () => {
  const id = decodeURIComponent(location.hash.slice(1));
  return /^[A-Za-z0-9._:-]{1,80}$/.test(id) ? id : "main";
};

function talkOf(id) {
  if (!talks.has(id)) talks.set(id, new Talk(id));
  return talks.get(id);
}

/** Begin a conversation. */
export function fresh() {
  location.hash = `c-${Date.now().toString(36)}`;
  byId("composer-text").focus();
}

/** Catch up after connecting: the list of conversations, and what was said here meanwhile. */
export async function catchUp() {
  const { conversations } = await api("/api/conversations");
  for (const each of conversations) {
    const talk = talkOf(each.id);
    Object.assign(talk, { title: each.title, updated: each.updated_at });
    if (firstVisit) seen[`${talk.id} at`] ??= each.updated_at;
    if (talk !== current) talk.loaded = false;
  }
  await load(current);
  draw();
}

async function load(talk) {
  let after = Math.max(talk.last - 1, 0); // the last one may have grown
  for (;;) {
    const found = await api(`/api/conversations/${encodeURIComponent(talk.id)}/posts?after=${after}`);
    if (after === 0) talk.more = found.more;
    for (const post of found.posts) add(talk, post);
    const live = found.streaming;
    talk.doing = live?.doing ? [live] : [];
    talk.live = live?.html ? live.html : null;
    talk.turn = live?.turn ?? false;
    if (after === 0 || !found.more || !found.posts.length) break;
    after = talk.last;
  }
  talk.loaded = true;
}

function add(talk, post) {
  if (drawn.has(post.id) && talk.posts.get(post.id)?.text !== post.text) {
    drawn.get(post.id).remove();
    drawn.delete(post.id);
  }
  talk.posts.set(post.id, post);
  talk.last = Math.max(talk.last, post.id);
  talk.updated = talk.updated > post.at ? talk.updated : post.at;
  if (!talk.title) talk.title = post.text.trim().split("\n")[0].slice(0, 80);
  for (const card of post.cards) if (card.kind === "gate" && card.detail) inbox.take(card.detail, true);
}

/** Go to a conversation. */
export async function show(id) {
  if (current?.id === id && current.loaded) return;
  current = talkOf(id);
  if (decodeURIComponent(location.hash.slice(1)) !== id && id !== "main") location.hash = id;
  menu(false);
  draw();
  if (!current.loaded) {
    const wanted = current;
    await load(wanted).catch(() => {});
    if (wanted === current) draw();
  }
  toEnd();
}

// -- what arrives -------------------------------------------------------------------------------------------------------

/** A message of the socket that concerns a conversation. */
export function hear(message) {
  const talk = talkOf(message.conversation);
  if (message.type === "reply") return reply(talk, message);
  if (message.type === "delta") [talk.live, talk.turn] = [message.html, true];
  if (message.type === "doing") doing(talk, message);
  if (message.type === "accepted") pending.delete(message.id);
  if (message.type === "error") failed(talk, message);
  if (talk === current) tail();
}

function reply(talk, post) {
  add(talk, post);
  if (post.author !== me) {
    if (post.author === "fleet" && ["reply", "error"].includes(post.kind)) [talk.live, talk.doing] = [null, []];
    if (talk !== current) announce(`Something new in ${titleOf(talk)}.`);
  }
  if (talk === current) {
    const end = nearEnd();
    draw(end);
  }
  unread();
}

function doing(talk, { text, skill, turn }) {
  talk.turn = turn;
  if (!text) {
    talk.doing = [];
    if (!turn) setTimeout(() => over(talk), 1500);
    return;
  }
  const lines = talk.doing.filter((each) => each.skill && each.skill !== skill);
  talk.doing = [...lines, { doing: text, skill }].slice(-4);
}

/** A turn has ended; what it streamed and never posted goes. */
function over(talk) {
  if (talk.turn || talk.doing.length) return;
  talk.live = null;
  if (talk === current) tail();
}

function failed(talk, message) {
  const waits = pending.get(message.id);
  if (waits) waits.error = `${message.error.message} ${message.error.hint}`.trim();
}

/** Show what was typed at once, until the fleet has it. */
export function addPending(id, text, conversation) {
  pending.set(id, { id, text, conversation, error: "" });
  if (conversation === current.id) {
    tail();
    toEnd(true);
  }
}

/** What the fleet has not confirmed yet. */
export const unconfirmed = () => [...pending.values()].filter((each) => !each.error);

// -- drawing ------------------------------------------------------------------------------------------------------------

const drawn = new Map();
let drawnTalk = null;

function draw(end = nearEnd(), older = false) {
  head();
  if (drawnTalk !== current) {
    drawn.clear();
    cards.clear();
    place.replaceChildren();
    place.setAttribute("aria-busy", "true");
    setTimeout(() => place.removeAttribute("aria-busy"), 1000);
    drawnTalk = current;
    end = true;
  }
  const posts = [...current.posts.values()].sort((a, b) => a.id - b.id);
  const tailPlace = place.querySelector(".tail") ?? place.appendChild(h("div", { class: "tail", "aria-live": "off" }));
  const before = scroll.scrollHeight - scroll.scrollTop;
  let added = false;
  posts.forEach((post, at) => {
    if (drawn.has(post.id)) return;
    const element = postElement(post, posts[at - 1]);
    const next = posts.slice(at + 1).find((each) => drawn.has(each.id));
    place.insertBefore(element, next ? drawn.get(next.id) : tailPlace);
    drawn.set(post.id, element);
    added = true;
    if (next) end = false;
  });
  place.querySelector(".welcome")?.remove();
  if (current.loaded && !posts.length) place.prepend(welcome());
  tail();
  if (end) toEnd();
  else if (older) scroll.scrollTop = scroll.scrollHeight - before;
  else if (added) byId("newer").hidden = nearEnd();
  markSeen();
}

function head() {
  setText(byId("talk-title"), titleOf(current));
}

const OWN = /^c-[a-z0-9]+$/;
const titleOf = (talk) => NAMED[talk.id] ?? (OWN.test(talk.id) || talk.id.length > 32 ? talk.title.replace(/^\/fleet /, "") || "New conversation" : talk.id);

function postElement(post, before) {
  const mine = post.author === me;
  const fleet = post.author === "fleet";
  const grouped = before && before.author === post.author && before.kind === post.kind && Date.parse(post.at) - Date.parse(before.at) < 300_000 && post.kind !== "gate" && post.kind !== "report";
  const meta = grouped || post.kind === "outcome" ? null : h("p", { class: "post-meta" }, h("b", {}, fleet ? "Fleet" : post.author), post.product && fleet ? h("span", { class: "chip" }, post.product) : null, age(post.at));
  const shows = post.cards.filter((card) => card.detail && !(post.kind === "report" && card.kind === "work"));
  const gateOnly = post.kind === "gate" && shows.some((card) => card.kind === "gate");
  return h("div", { class: `post ${mine ? "mine" : fleet ? "coordinator" : "other"} kind-${post.kind} ${grouped ? "grouped" : ""}`, "data-post": post.id, "data-kind": post.kind, "data-testid": `post-${post.kind}` },
    meta,
    post.kind === "outcome" ? h("div", { class: "outcome-line" }, mark("done"), h("div", { class: "prose", html: post.html })) : null,
    post.kind !== "outcome" && !gateOnly && post.text ? h("div", { class: mine ? "bubble prose" : "prose", html: post.html }) : null,
    shows.map((card) => cardElement(card)),
    post.suggestions.length ? h("div", { class: "suggestions" }, post.suggestions.map(suggestion)) : null);
}

function cardElement(card) {
  if (card.kind === "gate") {
    const gate = inbox.gateOf(card.gate) ?? card.detail;
    const shown = new GateCard(gate, { open: gate.state === "open", brief: true, settled: inbox.take });
    cards.add(shown);
    return shown.element;
  }
  return workElement(card.detail);
}

function workElement(work) {
  const why = work.state === "done" ? "" : work.reason;
  return h("div", { class: "work-card", "data-work": work.id, "data-testid": `work-${work.id}` },
    mark(WORK[work.state] ?? "idle"),
    h("span", {}, h("b", {}, work.product), ` ${work.state}`, why ? h("span", { class: "quiet" }, `, ${plain(why)}`) : null, h("span", { class: "work-what" }, work.objective)),
    h("span", { class: "id" }, work.id));
}

/** Show work as it is now, wherever it stands. */
export function showWork(work) {
  for (const each of place.querySelectorAll(`[data-work="${CSS.escape(work.id)}"]`)) each.replaceWith(workElement(work));
}

export const WORK = { queued: "queued", starting: "working", running: "working", waiting: "waiting", done: "done", failed: "trouble", cancelled: "idle" };

function suggestion({ label, command }) {
  return h("button", { class: "button plain small", type: "button", title: command, "data-testid": "suggestion",
    onclick: () => (/[….]{3}$|<|\s$/.test(command) ? act.fill(command) : act.send(command)) }, label);
}

/** What stands below the last post: what waits to be sent, what runs, the answer so far. */
function tail() {
  const tailPlace = place.querySelector(".tail");
  if (!tailPlace) return;
  const end = nearEnd();
  const waits = [...pending.values()].filter((each) => each.conversation === current.id);
  const parts = waits.map((each) => h("div", { class: "post mine pending" }, h("div", { class: "bubble" }, each.text),
    h("p", { class: each.error ? "failed" : "quiet" }, each.error || "sending …", each.error ? h("button", { class: "link", type: "button", onclick: () => { pending.delete(each.id); tail(); act.fill(each.text); } }, "Edit") : null)));
  if (current.live) parts.push(h("div", { class: "post coordinator streaming", "data-testid": "streaming" }, h("p", { class: "post-meta" }, h("b", {}, "Fleet")), h("div", { class: "prose", html: current.live })));
  for (const each of current.doing) parts.push(h("p", { class: "doing-line", "data-testid": "doing" }, h("i", {}), h("span", {}, each.doing)));
  tailPlace.replaceChildren(...parts);
  byId("stop").hidden = !current.turn;
  if (end) toEnd();
}

function welcome() {
  const first = [["What is every product doing?", "/fleet status"], ["Which products are there?", "/fleet products"], ["What waits for a decision?", "/fleet gates"], ["What can I say?", "/fleet help"]];
  return h("div", { class: "welcome", "data-testid": "welcome" },
    h("img", { src: "/static/icon.svg", alt: "", width: "44", height: "44" }),
    h("h3", {}, current.id === "fleet" ? "News of the fleet" : "What should the fleet do?"),
    h("p", {}, current.id === "fleet"
      ? "Reports that nobody in particular asked for gather here."
      : "Say it in your own words, or use a command. Whatever needs your decision comes back as a card here and in the inbox."),
    h("div", { class: "suggestions" }, first.map(([label, command]) => h("button", { class: "button plain", type: "button", onclick: () => act.send(command) }, label))));
}

// -- reading ------------------------------------------------------------------------------------------------------------

const nearEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;

function toEnd(smooth = false) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  scroll.scrollTo({ top: scroll.scrollHeight, behavior: smooth && !still ? "smooth" : "instant" });
  byId("newer").hidden = true;
  pinned = true;
}

let pinned = true;
let loadingOlder = false;
async function scrolled() {
  pinned = nearEnd();
  if (nearEnd()) {
    byId("newer").hidden = true;
    markSeen();
  }
  if (scroll.scrollTop > 80 || !current.more || loadingOlder || !current.loaded) return;
  loadingOlder = true;
  const talk = current;
  try {
    const found = await api(`/api/conversations/${encodeURIComponent(talk.id)}/posts?before=${Math.min(...talk.posts.keys())}`);
    talk.more = found.more;
    for (const post of found.posts) add(talk, post);
    if (talk === current) draw(false, true);
  } finally {
    loadingOlder = false;
  }
}

function markSeen() {
  if (document.hidden || !current.last || seen[current.id] >= current.last) return unread();
  seen[current.id] = current.last;
  localStorage.setItem("fleet.seen", JSON.stringify(seen));
  unread();
}

const isUnread = (talk) => talk !== current && (talk.loaded ? talk.last > (seen[talk.id] ?? 0) : talk.updated > (seen[`${talk.id} at`] ?? ""));

function unread() {
  if (current.updated > (seen[`${current.id} at`] ?? "")) seen[`${current.id} at`] = current.updated;
  localStorage.setItem("fleet.seen", JSON.stringify(seen));
  byId("unread").hidden = ![...talks.values()].some(isUnread);
}

function menu(open) {
  const list = byId("conversations");
  byId("talk-menu").setAttribute("aria-expanded", String(open));
  list.hidden = !open;
  if (!open) return;
  const known = [...talks.values()].filter((talk) => talk.updated || talk === current || talk.id === "main").sort((a, b) => (a.updated < b.updated ? 1 : -1));
  list.replaceChildren(...known.map((talk) =>
    h("button", { type: "button", "aria-current": talk === current ? "true" : null, "data-testid": `talk-${talk.id}`, onclick: () => { location.hash = talk.id; show(talk.id); } },
      h("span", { class: "talk-name" }, titleOf(talk)), isUnread(talk) ? h("i", { class: "dot", title: "Something new" }) : null, talk.updated ? age(talk.updated) : null)));
  list.querySelector("[aria-current], button")?.focus();
}

byId("conversations").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  if (step) {
    buttons[buttons.indexOf(document.activeElement) + step]?.focus();
    event.preventDefault();
  } else if (event.key === "Escape") {
    menu(false);
    byId("talk-menu").focus();
  }
});
document.addEventListener("visibilitychange", () => current && markSeen());
