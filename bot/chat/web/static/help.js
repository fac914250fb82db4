// Keyboard shortcuts, and the help that lists them and the commands.

import { byId, h } from "./dom.js";

const sheet = byId("help");
let shortcuts = [];
let me = { commands: [] };
let fill = () => {};

/** `keys` are [key, label, action], `person` is the answer of /api/me, `compose(text)` puts text into the composer. */
export function start(keys, person, compose) {
  [shortcuts, me, fill] = [[...keys, ["?", "Help", open]], person, compose];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
    const shortcut = shortcuts.find(([key]) => key === event.key);
    if (!shortcut) return;
    event.preventDefault();
    shortcut[2]();
  });
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  byId("help-button").addEventListener("click", open);
}

function open() {
  sheet.replaceChildren(
    h("header", { class: "sheet-head" }, h("h2", { id: "help-title" }, "Help"), h("button", { class: "icon-button", type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: () => sheet.close() }, "✕")),
    h("div", { class: "sheet-body" },
      h("section", {}, h("h3", {}, "Keyboard shortcuts"), h("dl", { class: "keys" }, [...shortcuts, ["Esc", "Close, or leave the text field"]].map(([key, words]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, words))))),
      h("section", {}, h("h3", {}, "Commands"), h("dl", { class: "commands" }, me.commands.map(command))),
      h("p", { class: "quiet" }, `Signed in as ${me.name} (${me.role}) · meta-coordinator ${me.version}`)));
  sheet.showModal();
}

function command({ name, usage, summary }) {
  const write = () => {
    sheet.close();
    fill(`/fleet ${name} `);
  };
  return h("div", {}, h("dt", {}, h("button", { class: "link", type: "button", onclick: write }, usage)), h("dd", {}, summary));
}
