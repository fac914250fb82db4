// The posts of the current conversation: drawing and scrolling them, and the answer in progress below.

import { age, byId, h, plain, rich, setText } from "./dom.js";
import { GateCard } from "./gate.js";
import * as inbox from "./inbox.js";
import { label, mark } from "./states.js";

const NEAR = 120;
const GROUPED_MS = 300_000;
const scroll = byId("posts-scroll");
const list = byId("posts");
const drawn = new Map();
const cards = new Set();
let drawnConversation = null;
let me = "";
let act = { send() {}, fill() {}, current: () => null, pending: () => [], forget() {}, older: async () => false, read() {} };
let pinned = true;
let loadingOlder = false;

/** `actions` send a message (`send`), put it into the composer (`fill`), return the `current` conversation and the `pending`
 * messages, `forget` one of them, load `older` posts, and mark the conversation as `read`. */
export function start(name, actions) {
  me = name;
  act = actions;
  inbox.watch((gate) => cards.forEach((card) => card.gate.id === gate.id && card.update(gate)));
  scroll.addEventListener("scroll", scrolled, { passive: true });
  byId("newer").addEventListener("click", () => toEnd(true));
  new ResizeObserver(() => pinned && toEnd()).observe(scroll);
}

/** Remove a drawn post that has changed. */
export function forget(id) {
  drawn.get(id)?.remove();
  drawn.delete(id);
}

/** Draw what is new. `end` scrolls to the end, `older` keeps the visible posts in view. */
export function draw(end = nearEnd(), older = false) {
  const current = act.current();
  setText(byId("conversation-title"), current.name);
  if (drawnConversation !== current) {
    clear(current);
    end = true;
  }
  const posts = [...current.posts.values()].sort((a, b) => a.id - b.id);
  const tail = list.querySelector(".tail") ?? list.appendChild(h("div", { class: "tail", "aria-live": "off" }));
  const before = scroll.scrollHeight - scroll.scrollTop;
  let added = false;
  posts.forEach((post, at) => {
    if (drawn.has(post.id)) return;
    const element = postElement(post, posts[at - 1]);
    const next = posts.slice(at + 1).find((each) => drawn.has(each.id));
    list.insertBefore(element, next ? drawn.get(next.id) : tail);
    drawn.set(post.id, element);
    added = true;
    if (next) end = false;
  });
  list.querySelector(".welcome")?.remove();
  if (current.loaded && !posts.length) list.prepend(welcome(current));
  drawTail();
  if (end) toEnd();
  else if (older) scroll.scrollTop = scroll.scrollHeight - before;
  else if (added) byId("newer").hidden = nearEnd();
  act.read();
}

function clear(current) {
  drawn.clear();
  cards.clear();
  list.replaceChildren();
  list.setAttribute("aria-busy", "true");
  setTimeout(() => list.removeAttribute("aria-busy"), 1000);
  drawnConversation = current;
}

function postElement(post, before) {
  const mine = post.author === me;
  const fleet = post.author === "fleet";
  const grouped = before && before.author === post.author && before.kind === post.kind && Date.parse(post.at) - Date.parse(before.at) < GROUPED_MS && post.kind !== "gate" && post.kind !== "report";
  const meta = grouped || post.kind === "outcome" ? null : h("p", { class: "post-meta" }, h("b", {}, fleet ? "Fleet" : post.author), post.product && fleet ? h("span", { class: "chip" }, post.product) : null, age(post.at));
  const shows = post.cards.filter((card) => card.detail && !(post.kind === "report" && card.kind === "work"));
  const gateOnly = post.kind === "gate" && shows.some((card) => card.kind === "gate");
  return h("div", { class: `post ${mine ? "mine" : fleet ? "fleet" : "other"} kind-${post.kind} ${grouped ? "grouped" : ""}`, "data-post": post.id, "data-kind": post.kind, "data-testid": `post-${post.kind}` },
    meta,
    post.kind === "outcome" ? h("div", { class: "outcome-line" }, mark("done"), h("div", { class: "prose", html: post.html })) : null,
    post.kind !== "outcome" && !gateOnly && post.text ? h("div", { class: mine ? "bubble prose" : "prose", html: post.html }) : null,
    shows.map((card) => cardElement(card)),
    post.suggestions.length ? h("div", { class: "suggestions" }, post.suggestions.map(suggestion)) : null);
}

function cardElement(card) {
  if (card.kind !== "gate") return workElement(card.detail);
  const gate = inbox.gateOf(card.gate) ?? card.detail;
  const shown = new GateCard(gate, { open: gate.state === "open", brief: true, settled: inbox.take });
  cards.add(shown);
  return shown.element;
}

function workElement(work) {
  const why = work.state === "done" ? "" : work.reason;
  return h("div", { class: "work-card", "data-work": work.id, "data-testid": `work-${work.id}` },
    mark(work.state),
    h("span", {}, h("b", {}, work.product), ` ${label(work.state)}`, why ? h("span", { class: "quiet" }, `, ${plain(why)}`) : null, h("span", { class: "work-objective" }, work.objective)),
    h("span", { class: "id" }, work.id));
}

/** Show the current state of work on its cards. */
export function showWork(work) {
  for (const each of list.querySelectorAll(`[data-work="${CSS.escape(work.id)}"]`)) each.replaceWith(workElement(work));
}

function suggestion({ label: text, command }) {
  return h("button", { class: "button plain small", type: "button", title: command, "data-testid": "suggestion",
    onclick: () => (/[….]{3}$|<|\s$/.test(command) ? act.fill(command) : act.send(command)) }, text);
}

/** Draw what is below the last post: unsent messages, running activities and the answer in progress. */
export function drawTail() {
  const tail = list.querySelector(".tail");
  if (!tail) return;
  const end = nearEnd();
  const current = act.current();
  const parts = act.pending().filter((each) => each.conversation === current.id).map(pendingElement);
  if (current.live) parts.push(h("div", { class: "post fleet streaming", "data-testid": "streaming" }, h("p", { class: "post-meta" }, h("b", {}, "Fleet")), h("div", { class: "prose", html: current.live })));
  for (const each of current.doing) parts.push(h("p", { class: "doing-line", "data-testid": "doing" }, h("i", {}), h("span", {}, each.doing)));
  tail.replaceChildren(...parts);
  byId("stop").hidden = !current.turn;
  if (end) toEnd();
}

function pendingElement({ id, text, error }) {
  const edit = h("button", { class: "link", type: "button", onclick: () => { act.forget(id); drawTail(); act.fill(text); } }, "Edit");
  return h("div", { class: "post mine pending" }, h("div", { class: "bubble" }, text),
    h("p", { class: error ? "failed" : "quiet" }, error ? rich(error) : "Sending…", error ? edit : null));
}

const FIRST = [["Fleet status", "/fleet status"], ["Products", "/fleet products"], ["Open decisions", "/fleet gates"], ["Help", "/fleet help"]];

function welcome({ id }) {
  const news = id === "fleet";
  return h("div", { class: "welcome", "data-testid": "welcome" },
    h("img", { src: "/static/icon.svg", alt: "", width: "44", height: "44" }),
    h("h3", {}, news ? "Fleet news" : "What should the fleet do?"),
    h("p", {}, news
      ? "Reports of scheduled work and general notices appear here."
      : "Write in your own words, or use a command. Decisions that need you appear here and in the inbox."),
    h("div", { class: "suggestions" }, FIRST.map(([text, command]) => h("button", { class: "button plain", type: "button", onclick: () => act.send(command) }, text))));
}

// -- scrolling ----------------------------------------------------------------------------------------------------------

export const nearEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;

export function toEnd(smooth = false) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  scroll.scrollTo({ top: scroll.scrollHeight, behavior: smooth && !still ? "smooth" : "instant" });
  byId("newer").hidden = true;
  pinned = true;
}

async function scrolled() {
  pinned = nearEnd();
  if (pinned) {
    byId("newer").hidden = true;
    act.read();
  }
  const current = act.current();
  if (scroll.scrollTop > 80 || !current.more || loadingOlder || !current.loaded) return;
  loadingOlder = true;
  try {
    if (await act.older()) draw(false, true);
  } finally {
    loadingOlder = false;
  }
}
