// Elements, times and amounts, used by every part of the page.

/** Create an element with properties (`on…` adds a listener, `html` is markup the server made safe) and children. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "html") element.innerHTML = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Set text only if it differs, so that a selection inside it survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const clockSkew = { ms: 0 };

/** Use the server's clock, so that ages are right on a machine with a wrong clock. */
export function serverTime(iso) {
  const skew = Date.parse(iso) - Date.now();
  if (Math.abs(skew) > 2000) clockSkew.ms = skew;
}

/** Return a duration in its one or two largest units, as `span` in bot/text/wording.py does. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 && hours < 6 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

function words(iso, form) {
  const ms = now() - Date.parse(iso);
  if (form === "in") return ms > -1000 ? "now" : `in ${span(-ms)}`;
  if (form === "span") return span(ms);
  return ms < 10_000 ? "just now" : `${span(ms)} ago`;
}

const exact = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Create a time that shows its age and updates itself. The exact time is its title. `form` is `ago`, `span` or `in`. */
export function age(iso, form = "ago") {
  return h("time", { datetime: iso, title: exact(iso), "data-age": form }, words(iso, form));
}

/** Create a future time that shows how far away it is and updates itself. */
export const until = (iso) => age(iso, "in");

/** Return the current time by the server's clock, in milliseconds. */
export const now = () => Date.now() + clockSkew.ms;

/** Create a time of day, with the date unless it is today. The exact time is its title. */
export function clock(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date(now()).toDateString();
  const words = at.toLocaleString(undefined, today ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return h("time", { datetime: iso, title: exact(iso) }, words);
}

setInterval(() => {
  for (const each of document.querySelectorAll("time[data-age]")) setText(each, words(each.getAttribute("datetime"), each.dataset.age));
}, 5000);

/** Return one line of Markdown without its markup. */
export const plain = (markdown) => markdown.replace(/\*\*|`/g, "");

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Return text as a sentence, with a capital first and one full stop last. */
export const sentence = (text) => capital(text).replace(/\.*$/, ".");

/** Return text as nodes, with each `command` as code. */
export const rich = (text) => text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));

export const money = (usd) => `$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** Bring the children of an element into an order with as few moves as possible. */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

let silence;
/** Announce something to screen readers. */
export function announce(text) {
  const region = byId("announcer");
  clearTimeout(silence);
  region.textContent = text;
  silence = setTimeout(() => (region.textContent = ""), 8000);
}
