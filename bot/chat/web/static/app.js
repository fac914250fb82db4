// The page: starts its parts and passes every change to them.

import * as bulk from "./bulk.js";
import * as composer from "./composer.js";
import * as conversations from "./conversations.js";
import { announce, byId, h, serverTime, setText } from "./dom.js";
import * as help from "./help.js";
import * as inbox from "./inbox.js";
import { CONNECTION, Refusal, Socket, api } from "./net.js";
import { showWork } from "./posts.js";
import * as product from "./product.js";
import * as products from "./products.js";
import * as queue from "./queue.js";

const RETRY = 1000;

/** Retry until it succeeds, because the fleet may be starting or restarting. */
async function persist(task) {
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await new Promise((wake) => setTimeout(wake, RETRY));
    }
  }
}

const me = await persist(() => api("/api/me"));
let page = null;
let greeting = null;
let everConnected = false;
let chosenTab = false;

// -- sending ------------------------------------------------------------------------------------------------------------

function send(text) {
  const message = { type: "message", id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`, conversation: conversations.currentId(), text };
  conversations.addPending(message.id, text, message.conversation);
  socket.send(message);
  tab("chat");
}

function resend() {
  for (const { id, conversation, text } of conversations.unconfirmed()) socket.send({ type: "message", id, conversation, text });
}

function fill(text) {
  tab("chat");
  composer.fill(text);
}

const stop = () => socket.send({ type: "stop", conversation: conversations.currentId() });

// -- receiving ----------------------------------------------------------------------------------------------------------

function state(now) {
  const shown = byId("connection");
  if (shown.dataset.state === now) return;
  shown.dataset.state = now;
  setText(shown.querySelector("span"), CONNECTION[now]);
  shown.title = now === "live" ? "This page is up to date." : "The fleet is unreachable. The page reconnects by itself and then sends what you typed.";
  if (now === "lost" && everConnected) announce("Connection lost. Reconnecting.");
  if (now === "live") everConnected = true;
}

async function hello(message) {
  if (message !== greeting) return;
  if (page !== null && page !== message.page) offerReload();
  page = message.page;
  await inbox.catchUp();
  await conversations.catchUp();
  resend();
  if (!chosenTab && inbox.total()) tab("inbox", false);
  chosenTab = true;
}

function offerReload() {
  if (byId("banners").querySelector(".reload")) return;
  byId("banners").append(h("div", { class: "banner reload" }, h("span", {}, "The fleet was updated. "), h("button", { class: "link", type: "button", onclick: () => location.reload() }, "Reload the page")));
}

function status(now) {
  serverTime(now.at);
  inbox.arrangeBy(now.inbox);
  products.show(now);
  product.refresh();
  queue.refresh();
}

function receive(message) {
  switch (message.type) {
    case "hello":
      greeting = message;
      persist(() => hello(message));
      break;
    case "status":
      status(message.status);
      break;
    case "card":
      if (message.kind === "gate") inbox.take(message.detail);
      else showWork(message.detail);
      break;
    case "error":
      if (message.conversation) conversations.receive(message);
      break;
    case "reply":
    case "delta":
    case "doing":
    case "accepted":
      conversations.receive(message);
      break;
    default:
  }
}

// -- navigation ---------------------------------------------------------------------------------------------------------

function tab(name, byPerson = true) {
  document.body.dataset.tab = name;
  for (const each of document.querySelectorAll(".tabs button")) each.setAttribute("aria-current", each.dataset.tab === name ? "page" : "false");
  if (byPerson) chosenTab = true;
}

const SHORTCUTS = [
  ["c", "Write a message", () => (tab("chat"), byId("composer-text").focus())],
  ["/", "Write a command", () => fill("/")],
  ["f", "Products", () => (tab("products"), byId("products").querySelector("button")?.focus())],
  ["g", "Inbox", () => (tab("inbox"), byId("gates").querySelector("button.gate-head")?.focus())],
  ["s", "Select several gates", () => (tab("inbox"), bulk.toggle())],
  ["q", "Queue and capacity", () => queue.open()],
  ["n", "New conversation", () => (tab("chat"), conversations.create())],
  ["t", "Conversations", () => (tab("chat"), byId("conversation-menu").click())],
];

for (const each of document.querySelectorAll(".tabs button")) each.addEventListener("click", () => tab(each.dataset.tab));

tab("chat", false);
help.start(SHORTCUTS, me, fill);
products.start(product.open);
inbox.start(fill);
product.start({ send, fill });
queue.start({ send, openProduct: product.open });
conversations.start(me.name, { send, fill });
composer.start(me.commands, products.names, send, stop);
const socket = new Socket({ state, message: receive });
