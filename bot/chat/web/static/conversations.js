// The conversations: their posts as known here, what arrives in them, and the menu to choose one.

import { age, announce, byId, h } from "./dom.js";
import * as inbox from "./inbox.js";
import { api } from "./net.js";
import * as posts from "./posts.js";

const NAMED = { main: "Main", fleet: "Fleet news", terminal: "Terminal" };
const OWN = /^c-[a-z0-9]+$/;
const LATE = 1500;
const seen = JSON.parse(localStorage.getItem("fleet.seen") ?? "{}");
const firstVisit = localStorage.getItem("fleet.seen") === null;

/** One conversation as far as it is loaded. */
class Conversation {
  constructor(id) {
    Object.assign(this, { id, title: "", updated: "", posts: new Map(), last: 0, loaded: false, more: false, live: null, doing: [], turn: false });
  }

  get name() {
    return NAMED[this.id] ?? (OWN.test(this.id) || this.id.length > 32 ? this.title.replace(/^\/fleet /, "") || "New conversation" : this.id);
  }
}

const all = new Map();
const pending = new Map();
let current = null;
let me = "";

/** Begin with the conversation in the address, or with the main one. The actions are those of posts.js. */
export function start(name, actions) {
  me = name;
  current = conversation(fromHash());
  posts.start(name, { ...actions, current: () => current, pending: () => [...pending.values()], forget: (id) => pending.delete(id), older, read: markSeen });
  byId("conversation-menu").addEventListener("click", () => menu(byId("conversations").hidden));
  byId("new-conversation").addEventListener("click", create);
  addEventListener("hashchange", () => show(fromHash()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#conversations, #conversation-menu")) menu(false);
  });
}

export const currentId = () => current.id;

const fromHash = () => {
  const id = decodeURIComponent(location.hash.slice(1));
  return /^[A-Za-z0-9._:-]{1,80}$/.test(id) ? id : "main";
};

function conversation(id) {
  if (!all.has(id)) all.set(id, new Conversation(id));
  return all.get(id);
}

/** Create a conversation. */
export function create() {
  location.hash = `c-${Date.now().toString(36)}`;
  byId("composer-text").focus();
}

// -- loading ------------------------------------------------------------------------------------------------------------

/** Catch up after connecting: load the list of conversations and the missed posts of the current one. */
export async function catchUp() {
  const { conversations } = await api("/api/conversations");
  for (const each of conversations) {
    const known = conversation(each.id);
    Object.assign(known, { title: each.title, updated: each.updated_at });
    if (firstVisit) seen[`${known.id} at`] ??= each.updated_at;
    if (known !== current) known.loaded = false;
  }
  await load(current);
  posts.draw();
}

const postsPath = (id, query) => `/api/conversations/${encodeURIComponent(id)}/posts?${query}`;

async function load(wanted) {
  let after = Math.max(wanted.last - 1, 0); // the last post may have changed
  for (;;) {
    const found = await api(postsPath(wanted.id, `after=${after}`));
    if (after === 0) wanted.more = found.more;
    for (const post of found.posts) add(wanted, post);
    const live = found.streaming;
    wanted.doing = live?.doing ? [{ doing: live.doing, skill: live.skill }] : [];
    wanted.live = live?.html ? live.html : null;
    wanted.turn = live?.turn ?? false;
    if (after === 0 || !found.more || !found.posts.length) break;
    after = wanted.last;
  }
  wanted.loaded = true;
}

/** Load older posts of the current conversation. Returns false if another one was chosen meanwhile. */
async function older() {
  const wanted = current;
  const found = await api(postsPath(wanted.id, `before=${Math.min(...wanted.posts.keys())}`));
  wanted.more = found.more;
  for (const post of found.posts) add(wanted, post);
  return wanted === current;
}

function add(to, post) {
  if (to.posts.get(post.id)?.text !== post.text) posts.forget(post.id);
  to.posts.set(post.id, post);
  to.last = Math.max(to.last, post.id);
  to.updated = to.updated > post.at ? to.updated : post.at;
  if (!to.title) to.title = post.text.trim().split("\n")[0].slice(0, 80);
  for (const card of post.cards) if (card.kind === "gate" && card.detail) inbox.take(card.detail, true);
}

/** Show a conversation. */
async function show(id) {
  if (current?.id === id && current.loaded) return;
  current = conversation(id);
  if (decodeURIComponent(location.hash.slice(1)) !== id && id !== "main") location.hash = id;
  menu(false);
  posts.draw();
  if (!current.loaded) {
    const wanted = current;
    await load(wanted).catch(() => {});
    if (wanted === current) posts.draw();
  }
  posts.toEnd();
}

// -- messages -----------------------------------------------------------------------------------------------------------

/** Take a message of the WebSocket about a conversation. */
export function receive(message) {
  const about = conversation(message.conversation);
  if (message.type === "reply") return reply(about, message);
  if (message.type === "delta") [about.live, about.turn] = [message.html, true];
  if (message.type === "doing") doing(about, message);
  if (message.type === "accepted") pending.delete(message.id);
  if (message.type === "error") failed(message);
  if (about === current) posts.drawTail();
}

function reply(to, post) {
  const end = posts.nearEnd();
  add(to, post);
  if (post.author !== me) {
    if (post.author === "fleet" && ["reply", "error"].includes(post.kind)) [to.live, to.doing] = [null, []];
    if (to !== current) announce(`New message in ${to.name}.`);
  }
  if (to === current) posts.draw(end);
  unread();
}

function doing(about, { text, skill, turn }) {
  about.turn = turn;
  if (!text) {
    about.doing = [];
    if (!turn) setTimeout(() => over(about), LATE);
    return;
  }
  const others = about.doing.filter((each) => each.skill && each.skill !== skill);
  about.doing = [...others, { doing: text, skill }].slice(-4);
}

/** Drop streamed text of a turn that ended without posting it. */
function over(about) {
  if (about.turn || about.doing.length) return;
  about.live = null;
  if (about === current) posts.drawTail();
}

function failed(message) {
  const waiting = pending.get(message.id);
  if (waiting) waiting.error = `${message.error.message} ${message.error.hint}`.trim();
}

/** Show a message at once, until the fleet has stored it. */
export function addPending(id, text, to) {
  pending.set(id, { id, text, conversation: to, error: "" });
  if (to === current.id) {
    posts.drawTail();
    posts.toEnd(true);
  }
}

/** Return the messages that the fleet has not confirmed yet. */
export const unconfirmed = () => [...pending.values()].filter((each) => !each.error);

// -- unread -------------------------------------------------------------------------------------------------------------

function markSeen() {
  if (!document.hidden && current.last && !(seen[current.id] >= current.last)) seen[current.id] = current.last;
  unread();
}

const isUnread = (each) => each !== current && (each.loaded ? each.last > (seen[each.id] ?? 0) : each.updated > (seen[`${each.id} at`] ?? ""));

function unread() {
  if (current.updated > (seen[`${current.id} at`] ?? "")) seen[`${current.id} at`] = current.updated;
  localStorage.setItem("fleet.seen", JSON.stringify(seen));
  byId("unread").hidden = ![...all.values()].some(isUnread);
}

function menu(open) {
  const list = byId("conversations");
  byId("conversation-menu").setAttribute("aria-expanded", String(open));
  list.hidden = !open;
  if (!open) return;
  const known = [...all.values()].filter((each) => each.updated || each === current || each.id === "main").sort((a, b) => (a.updated < b.updated ? 1 : -1));
  list.replaceChildren(...known.map((each) =>
    h("button", { type: "button", "aria-current": each === current ? "true" : null, "data-testid": `conversation-${each.id}`, onclick: () => { location.hash = each.id; show(each.id); } },
      h("span", { class: "conversation-name" }, each.name), isUnread(each) ? h("i", { class: "dot", title: "New messages" }) : null, each.updated ? age(each.updated) : null)));
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
    byId("conversation-menu").focus();
  }
});
document.addEventListener("visibilitychange", () => current && markSeen());
