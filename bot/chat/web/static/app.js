// The page: puts its parts together and tells each what changes.

import * as bulk from "./bulk.js";
import * as composer from "./composer.js";
import { announce, byId, h, serverTime, setText } from "./dom.js";
import * as fleet from "./fleet.js";
import * as inbox from "./inbox.js";
import { Refusal, Socket, api } from "./net.js";
import * as product from "./product.js";
import * as queue from "./queue.js";
import * as talk from "./talk.js";

const AGAIN = 1000;

/** Do it until it succeeds: the fleet may be starting, or going away and coming back. */
async function persist(what) {
  for (;;) {
    try {
      return await what();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await new Promise((wake) => setTimeout(wake, AGAIN));
    }
  }
}

const me = await persist(() => api("/api/me"));
let page = null;
let greeting = null;
let everLive = false;
let chosenTab = false;

// -- saying -------------------------------------------------------------------------------------------------------------

function send(text) {
  const message = { type: "message", id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`, conversation: talk.currentId(), text };
  talk.addPending(message.id, text, message.conversation);
  socket.send(message);
  tab("talk");
}

function resend() {
  for (const { id, conversation, text } of talk.unconfirmed()) socket.send({ type: "message", id, conversation, text });
}

function fill(text) {
  tab("talk");
  composer.fill(text);
}

const stop = () => socket.send({ type: "stop", conversation: talk.currentId() });

// -- hearing ------------------------------------------------------------------------------------------------------------

const STATES = { live: "live", lost: "reconnecting", connecting: "connecting" };

function state(now) {
  const place = byId("link-state");
  if (place.dataset.state === now) return;
  place.dataset.state = now;
  setText(place.querySelector("span"), STATES[now]);
  place.title = now === "live" ? "What you see is how it is." : "The fleet does not answer. The page tries again by itself; what you type is sent when it is back.";
  if (now === "lost" && everLive) announce("The connection to the fleet is lost; trying again.");
  if (now === "live") everLive = true;
}

async function hello(message) {
  if (message !== greeting) return;
  if (page !== null && page !== message.page) reload();
  page = message.page;
  await inbox.catchUp();
  await talk.catchUp();
  resend();
  if (!chosenTab && inbox.total()) tab("inbox", false);
  chosenTab = true;
}

function reload() {
  if (byId("banners").querySelector(".reload")) return;
  byId("banners").append(h("div", { class: "banner reload" }, h("span", {}, "The fleet was updated. "), h("button", { class: "link", type: "button", onclick: () => location.reload() }, "Load the new page")));
}

function hear(message) {
  switch (message.type) {
    case "hello":
      greeting = message;
      persist(() => hello(message));
      break;
    case "status":
      serverTime(message.status.at);
      inbox.arrangeBy(message.status.inbox);
      fleet.show(message.status);
      product.refresh();
      queue.refresh();
      break;
    case "card":
      if (message.kind === "gate") inbox.take(message.detail);
      else talk.showWork(message.detail);
      break;
    case "error":
      if (message.conversation) talk.hear(message);
      break;
    case "reply":
    case "delta":
    case "doing":
    case "accepted":
      talk.hear(message);
      break;
    default:
  }
}

// -- moving about -------------------------------------------------------------------------------------------------------

function tab(name, byPerson = true) {
  document.body.dataset.tab = name;
  for (const each of document.querySelectorAll(".tabs button")) each.setAttribute("aria-current", each.dataset.tab === name ? "page" : "false");
  if (byPerson) chosenTab = true;
}

const SHORTCUTS = [
  ["c", "Write a message", () => (tab("talk"), byId("composer-text").focus())],
  ["/", "Write a command", () => fill("/")],
  ["f", "Go to the products", () => (tab("fleet"), byId("products").querySelector("button")?.focus())],
  ["g", "Go to what waits for you", () => (tab("inbox"), byId("gates").querySelector("button.gate-head")?.focus())],
  ["s", "Select gates, to decide several together", () => (tab("inbox"), bulk.toggle())],
  ["q", "Queue and capacity", () => queue.open()],
  ["n", "New conversation", () => (tab("talk"), talk.fresh())],
  ["t", "Choose a conversation", () => (tab("talk"), byId("talk-menu").click())],
  ["?", "This help", () => help()],
];

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
  const shortcut = SHORTCUTS.find(([key]) => key === event.key);
  if (!shortcut) return;
  event.preventDefault();
  shortcut[2]();
});

function help() {
  const sheet = byId("help");
  sheet.replaceChildren(
    h("header", { class: "sheet-head" }, h("h2", { id: "help-title" }, "Help"), h("button", { class: "icon-button", type: "button", "aria-label": "Close", onclick: () => sheet.close() }, "✕")),
    h("div", { class: "sheet-body" },
      h("section", {}, h("h3", {}, "Keys"), h("dl", { class: "keys" }, [...SHORTCUTS, ["Esc", "Close, or leave the field"]].map(([key, words]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, words))))),
      h("section", {}, h("h3", {}, "Commands"), h("dl", { class: "commands" }, me.commands.map((each) => h("div", {}, h("dt", {}, h("button", { class: "link", type: "button", onclick: () => { sheet.close(); fill(`/fleet ${each.name} `); } }, each.usage)), h("dd", {}, each.summary))))),
      h("p", { class: "quiet" }, `Signed in as ${me.name} (${me.role}) · meta-coordinator ${me.version}`)));
  sheet.showModal();
}

byId("help").addEventListener("click", (event) => event.target === byId("help") && byId("help").close());
byId("help-button").addEventListener("click", help);
for (const each of document.querySelectorAll(".tabs button")) each.addEventListener("click", () => tab(each.dataset.tab));

tab("talk", false);
fleet.start(product.open);
inbox.start(fill);
product.start({ send, fill });
queue.start({ send, openProduct: product.open });
talk.start(me.name, { send, fill });
composer.start(me.commands, fleet.names, send, stop);
const socket = new Socket({ state, message: hear });
