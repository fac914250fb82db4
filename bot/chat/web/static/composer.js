// The composer: sends messages, grows with them, and completes commands and product names after a slash.

import { byId, h } from "./dom.js";

const text = byId("composer-text");
const list = byId("complete");
let commands = [];
let products = () => [];
let send = () => {};
let choices = [];
let selected = -1;

/** `known` are the commands, `names()` returns the products, `submitted(text)` sends a message, `stop()` stops the turn. */
export function start(known, names, submitted, stop) {
  [commands, products, send] = [known, names, submitted];
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  text.addEventListener("input", () => {
    grow();
    complete();
  });
  text.addEventListener("keydown", keys);
  text.addEventListener("blur", () => setTimeout(() => close(), 120));
  byId("stop").addEventListener("click", stop);
  addEventListener("resize", grow);
}

/** Put text into the composer, with the caret at its end. */
export function fill(words) {
  text.value = words.replace(/[….]+$/, "");
  grow();
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
  complete();
}

function submit() {
  const words = asCommand(text.value.trim());
  if (!words) return;
  text.value = "";
  grow();
  close();
  send(words);
}

/** Expand `/status` to `/fleet status`. */
function asCommand(words) {
  const named = /^\/([a-z-]+)(\s|$)/i.exec(words);
  return named && commands.some((each) => each.name === named[1].toLowerCase()) ? `/fleet ${words.slice(1)}` : words;
}

function grow() {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, innerHeight * 0.4)}px`;
}

function keys(event) {
  if (!list.hidden && keysOfList(event)) return;
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit();
  } else if (event.key === "Escape") text.blur();
}

function keysOfList(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) choose((selected + step + choices.length) % choices.length);
  else if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey && choices[selected]?.text !== text.value.trimEnd() + " ")) accept(selected);
  else if (event.key === "Escape") close();
  else return false;
  event.preventDefault();
  return true;
}

function complete() {
  choices = found(text.value);
  if (!choices.length || text.selectionStart !== text.value.length) return close();
  list.replaceChildren(...choices.map((choice, at) =>
    h("div", { role: "option", id: `choice-${at}`, "aria-selected": "false", "data-testid": "choice", onmousedown: (event) => { event.preventDefault(); accept(at); } },
      h("b", {}, choice.label), h("span", {}, choice.words))));
  list.hidden = false;
  choose(0);
}

function found(words) {
  const command = /^\/(?:f|fl|fle|flee|fleet|fleet\s+([a-z-]*)|([a-z-]*))$/i.exec(words);
  if (command) {
    const begun = (command[1] ?? command[2] ?? "").toLowerCase();
    return commands
      .filter((each) => each.name.startsWith(begun))
      .map((each) => ({ text: `/fleet ${each.name} `, label: `/fleet ${each.name}`, words: each.summary }));
  }
  const product = /^(\/(?:fleet\s+)?([a-z-]+)\s+)([^\s]*)$/i.exec(words);
  const skill = product && commands.find((each) => each.name === product[2].toLowerCase());
  if (!skill || !/product/.test(skill.usage)) return [];
  const prefix = product[1].startsWith("/fleet") ? product[1] : `/fleet ${product[1].slice(1)}`;
  return products()
    .filter((name) => name.startsWith(product[3].toLowerCase()) && name !== product[3])
    .map((name) => ({ text: `${prefix}${name} `, label: name, words: skill.usage }));
}

function choose(at) {
  selected = at;
  [...list.children].forEach((each, index) => each.setAttribute("aria-selected", String(index === at)));
  list.children[at]?.scrollIntoView({ block: "nearest" });
  text.setAttribute("aria-activedescendant", `choice-${at}`);
}

function accept(at) {
  text.value = choices[at].text;
  grow();
  text.focus();
  complete();
}

function close() {
  list.hidden = true;
  choices = [];
  text.removeAttribute("aria-activedescendant");
}
