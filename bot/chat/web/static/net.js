// Requests to the fleet, and the WebSocket that reports changes.

/** An error answer of the fleet. */
export class Refusal extends Error {
  constructor(status, body) {
    const { code = "failed", message = "The fleet returned an invalid answer.", hint = "Try again." } = body?.error ?? {};
    super(message);
    Object.assign(this, { status, code, hint, body });
  }

  get words() {
    return `${this.message} ${this.hint}`.trim();
  }
}

const toLogin = () => location.replace(`/login${location.pathname === "/" ? "" : `?to=${location.pathname}`}${location.hash}`);

/** Send a request and return its JSON answer. Throws a Refusal. Goes to the login page when signed out. */
export async function api(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
  } catch {
    throw new Refusal(0, { error: { code: "unreachable", message: "The fleet is unreachable.", hint: "Check that it is running, then try again." } });
  }
  if (response.status === 401) {
    toLogin();
    await new Promise(() => {});
  }
  const json = await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(response.status, json);
  return json;
}

/** The word of each connection state. */
export const CONNECTION = { live: "Live", lost: "Reconnecting", connecting: "Connecting" };

const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 8000;
const PING = 20_000;
const PONG_TIMEOUT = 10_000;

/** The WebSocket. It reconnects with growing pauses, also when a ping is not answered. */
export class Socket {
  #socket = null;
  #pause = FIRST_PAUSE;
  #retry;
  #alive;
  #handlers;

  constructor(handlers) {
    this.#handlers = handlers;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#hurry());
    setInterval(() => this.#ping(), PING);
    this.#connect();
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Send a message and return true if the socket is open. */
  send(message) {
    if (!this.open) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #connect() {
    clearTimeout(this.#retry);
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.#socket = socket;
    socket.onmessage = (event) => {
      clearTimeout(this.#alive);
      const message = JSON.parse(event.data);
      if (message.type === "hello") {
        this.#pause = FIRST_PAUSE;
        this.#handlers.state("live");
      }
      this.#handlers.message(message);
    };
    socket.onclose = () => socket === this.#socket && this.#lost();
  }

  #lost() {
    clearTimeout(this.#alive);
    this.#handlers.state("lost");
    this.#retry = setTimeout(async () => {
      await api("/api/me").then(() => this.#connect(), () => this.#lost());
    }, this.#pause * (0.75 + Math.random() / 2));
    this.#pause = Math.min(this.#pause * 1.7, LONGEST_PAUSE);
  }

  #hurry() {
    if (this.#socket.readyState === WebSocket.CLOSED) {
      this.#pause = FIRST_PAUSE;
      clearTimeout(this.#retry);
      this.#lost();
    } else this.#ping();
  }

  #ping() {
    if (!this.send({ type: "ping" })) return;
    const socket = this.#socket;
    clearTimeout(this.#alive);
    this.#alive = setTimeout(() => {
      if (socket !== this.#socket) return;
      socket.onclose = null;
      socket.close();
      this.#lost();
    }, PONG_TIMEOUT);
  }
}
