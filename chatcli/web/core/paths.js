/** Paths of the page: each conversation has one. */

import { isRoom } from "./frames.js";

/** Rooms whose short path means something else: docs/http.md. */
const TAKEN = new Set(["#-", "#healthz", "#metrics"]);

/**
 * Return the conversation that a path of the page is about, or null.
 *
 * @param {string} path
 */
export function conversationOf(path) {
  const first = path.slice(1).split("/")[0] ?? "";
  let text;
  try {
    text = decodeURIComponent(first);
  } catch {
    return null;
  }
  if (text === "" || text === "-" || text === "#" || text === "@") return null;
  if (text.startsWith("@")) return text.slice(1);
  return isRoom(text) ? text : `#${text}`;
}

/**
 * Return the path of a conversation.
 *
 * @param {string} of
 */
export function pathOf(of) {
  if (TAKEN.has(of)) return `/${encodeURIComponent(of)}`;
  return isRoom(of) ? `/${encodeURIComponent(of.slice(1))}` : `/@${encodeURIComponent(of)}`;
}
