// The diff of a revision: added and removed lines, and the words that differ within a changed line.

import { h } from "./dom.js";

const KINDS = { "+": "added", "-": "removed", "@": "gap" };
const MARKS = { added: "+", removed: "−" };

/** Count the added and removed lines of a diff. */
export function size(diff) {
  const lines = diff.split("\n");
  return { added: lines.filter((line) => line[0] === "+").length, removed: lines.filter((line) => line[0] === "-").length };
}

/** Return a unified diff as elements. */
export function lines(diff) {
  const rows = diff.split("\n").slice(1).map((line) => ({ kind: KINDS[line[0]] ?? "same", text: line.slice(1) }));
  pairUp(rows);
  return h("div", { class: "diff-lines", tabindex: "0", role: "group", "aria-label": "Diff" }, rows.map(row));
}

/** Pair each removed line with the line that replaced it. */
function pairUp(rows) {
  for (let at = 0; at < rows.length; at++) {
    if (rows[at].kind !== "removed") continue;
    let end = at;
    while (rows[end]?.kind === "removed") end++;
    for (let n = 0; at + n < end && rows[end + n]?.kind === "added"; n++) [rows[at + n].other, rows[end + n].other] = [rows[end + n].text, rows[at + n].text];
    while (rows[end]?.kind === "added") end++;
    at = end - 1;
  }
}

function row({ kind, text, other }) {
  if (kind === "gap") return h("div", { class: "gap", "aria-hidden": "true" }, "⋯");
  const spoken = { added: "added: ", removed: "removed: " }[kind];
  return h("div", { class: kind },
    h("span", { class: "sign", "aria-hidden": "true" }, MARKS[kind] ?? " "),
    spoken ? h("span", { class: "screen-reader" }, spoken) : null,
    h("span", {}, ...(other === undefined ? [text || " "] : words(text, other))));
}

/** Mark the words in which a line differs from another, unless they have little in common. */
function words(text, other) {
  const [mine, theirs] = [text, other].map((line) => line.match(/\w+|\s+|[^\w\s]/g) ?? []);
  let start = 0;
  while (start < mine.length && mine[start] === theirs[start]) start++;
  let end = 0;
  while (end < Math.min(mine.length, theirs.length) - start && mine.at(-1 - end) === theirs.at(-1 - end)) end++;
  const [before, changed, after] = [mine.slice(0, start), mine.slice(start, mine.length - end), mine.slice(mine.length - end)].map((each) => each.join(""));
  if (!changed || before.length + after.length < text.length / 4) return [text || " "];
  return [before, h("mark", {}, changed), after];
}
