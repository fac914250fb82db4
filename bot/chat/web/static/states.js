// The words and marks of states. The words are those of STATE_LABELS in bot/text/wording.py.

import { capital, h } from "./dom.js";

export const LABELS = {
  queued: "Queued",
  starting: "Starting",
  running: "Running",
  waiting: "Waiting for a decision",
  paused: "Paused",
  done: "Done",
  rejected: "Rejected",
  failed: "Failed",
  cancelled: "Cancelled",
  idle: "Idle",
  unreachable: "Unreachable",
};

/** Return the word of a state of work or a product. */
export const label = (state) => LABELS[state] ?? state;

const SESSIONS = { booting: "starting", working: "running", in_turn: "running", between_turns: "idle", completed: "done" };

/** Return the word of a session's state, which the engine reports in words of its own. */
export const sessionLabel = (state) => LABELS[SESSIONS[state]] ?? capital(state.replaceAll("_", " "));

const MARKS = {
  failed: '<path d="M4 4l8 8M12 4l-8 8"/>',
  unreachable: '<path d="M8 2.6l5.8 10.6H2.2zM8 6.4v3.2M8 11.5v.1"/>',
  waiting: '<circle cx="8" cy="8" r="5.2" class="full"/>',
  running: '<path d="M5 3.2v9.6L12.6 8z" class="full"/>',
  starting: '<path d="M5 3.2v9.6L12.6 8z"/>',
  queued: '<circle cx="8" cy="8" r="5" stroke-dasharray="2.6 2.6"/>',
  paused: '<path d="M5.4 3.5v9M10.6 3.5v9"/>',
  idle: '<circle cx="8" cy="8" r="4.6"/>',
  done: '<path d="M3.2 8.6l3.2 3.2 6.4-7"/>',
  rejected: '<circle cx="8" cy="8" r="5.6"/><path d="M6 6l4 4M10 6l-4 4"/>',
  changes: '<path d="M3 13l.7-2.9 6.9-6.9 2.2 2.2-6.9 6.9z"/>',
  cancelled: '<circle cx="8" cy="8" r="5.6"/><path d="M4.2 11.8l7.6-7.6"/>',
};

/** Return the mark of a state. It is never shown without its word. */
export function mark(state) {
  return h("span", { class: `mark ${state}`, "aria-hidden": "true", html: `<svg viewBox="0 0 16 16">${MARKS[state] ?? MARKS.idle}</svg>` });
}
