// Elements, marks and times: what every part of the page is made of.

/** An element with properties (`on…` are listeners, `html` is markup that the server made safe) and children. */
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

/** Set text only where it differs, so that a selection inside it lives on. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const MARKS = {
  trouble: '<path d="M4 4l8 8M12 4l-8 8"/>',
  waiting: '<circle cx="8" cy="8" r="5.2" class="full"/>',
  working: '<path d="M5 3.2v9.6L12.6 8z" class="full"/>',
  queued: '<circle cx="8" cy="8" r="5" stroke-dasharray="2.6 2.6"/>',
  paused: '<path d="M5.4 3.5v9M10.6 3.5v9"/>',
  idle: '<circle cx="8" cy="8" r="4.6"/>',
  done: '<path d="M3.2 8.6l3.2 3.2 6.4-7"/>',
};

/** The mark of a state; it never stands without its word. */
export function mark(state) {
  return h("span", { class: `mark ${state}`, "aria-hidden": "true", html: `<svg viewBox="0 0 16 16">${MARKS[state] ?? MARKS.idle}</svg>` });
}

export const SAID = { trouble: "in trouble", waiting: "waits for you" };

const clockSkew = { ms: 0 };

/** Take over the server's clock, so that ages are right on a machine whose own is wrong. */
export function serverTime(iso) {
  const skew = Date.parse(iso) - Date.now();
  if (Math.abs(skew) > 2000) clockSkew.ms = skew;
}

/** A length of time in its one or two largest units, in the words of every other surface. */
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
  if (form === "span") return ms < 5_000 ? "now" : span(ms);
  return ms < 10_000 ? "just now" : `${span(ms)} ago`;
}

/** A time as an age that keeps itself up to date; the moment itself shows when pointed at. `form`: `ago`, `span` or `in`. */
export function age(iso, form = "ago") {
  const when = new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  return h("time", { datetime: iso, title: when, "data-age": form }, words(iso, form));
}

/** A time to come as a span that keeps itself up to date. */
export const until = (iso) => age(iso, "in");

/** The present by the server's clock, in milliseconds. */
export const now = () => Date.now() + clockSkew.ms;

/** A time of day, with the day where that was not today; the moment itself shows when pointed at. */
export function clock(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date(now()).toDateString();
  const words = at.toLocaleString(undefined, today ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return h("time", { datetime: iso, title: at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) }, words);
}

setInterval(() => {
  for (const each of document.querySelectorAll("time[data-age]")) setText(each, words(each.getAttribute("datetime"), each.dataset.age));
}, 5000);

/** One line of Markdown without its signs. */
export const plain = (markdown) => markdown.replace(/\*\*|`/g, "");

export const money = (usd) => `$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** Bring a parent's children into an order with as few moves as possible. */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

let silence;
/** Say something to those who listen rather than look. */
export function announce(text) {
  const place = byId("say");
  clearTimeout(silence);
  place.textContent = text;
  silence = setTimeout(() => (place.textContent = ""), 8000);
}
