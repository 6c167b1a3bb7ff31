/** One message as a node. */

import { el, hue } from "./dom.js";
import { printableLine, textNodes } from "./text.js";
import { fullTime, timeOfDay } from "./times.js";

/** @import { Message } from "../core/frames.js" */
/** @import { Pending } from "../core/outbox.js" */

const QUOTED = 80; // characters of a message that is replied to
const NAMED = 60; // characters of a text in the accessible name

/**
 * What a message node shows besides its text.
 *
 * @typedef {object} Context
 * @property {string} me
 * @property {boolean} joined the one before is by the same person, shortly before: the name is not repeated
 * @property {Message | undefined} quoted the message that it answers, if it is known
 */

/**
 * Return the node of a message.
 *
 * @param {Message} message
 * @param {Context} context
 */
export function messageNode(message, { me, joined, quoted }) {
  const name = printableLine(message.from);
  return el(
    "article",
    {
      class: joined ? "message joined" : "message",
      tabIndex: -1,
      "data-seq": String(message.seq),
      "aria-label": `${name}, ${timeOfDay(message.at)}: ${start(message.text, NAMED)}`,
    },
    head(message.from, message.at),
    message.re === undefined ? null : quote(message.re, quoted),
    body(message.text, message.from === me ? "" : me),
    el("div", { class: "extras" }),
  );
}

/**
 * Return the node of a message of mine that waits, or was refused.
 *
 * @param {Pending} pending
 * @param {{retry: () => void, discard: () => void, edit: () => void}} actions
 */
export function pendingNode(pending, { retry, discard, edit }) {
  const failed = pending.failure !== undefined;
  const state = failed ? `Not sent: ${pending.failure}` : "Waiting for the server…";
  return el(
    "article",
    {
      class: failed ? "message pending failed" : "message pending",
      tabIndex: -1,
      "data-id": pending.id,
      "aria-label": `${printableLine(pending.user)}: ${start(pending.text, NAMED)}. ${state}`,
    },
    head(pending.user, pending.at),
    body(pending.text, ""),
    el("p", { class: "state", role: failed ? "alert" : undefined }, state),
    failed &&
      el(
        "p",
        { class: "actions" },
        el("button", { type: "button", onclick: retry }, "Try again"),
        el("button", { type: "button", onclick: edit }, "Edit"),
        el("button", { type: "button", onclick: discard }, "Discard"),
      ),
  );
}

/**
 * @param {string} from
 * @param {number} at
 */
function head(from, at) {
  const name = printableLine(from);
  return el(
    "header",
    {},
    el("span", { class: `author hue-${hue(from)}`, dir: "auto" }, name),
    el("time", { dateTime: new Date(at).toISOString(), title: fullTime(at) }, timeOfDay(at)),
  );
}

/**
 * @param {string} text
 * @param {string} me
 */
function body(text, me) {
  return el("div", { class: "text", dir: "auto" }, ...textNodes(text, me));
}

/**
 * @param {number} re
 * @param {Message | undefined} quoted
 */
function quote(re, quoted) {
  const words = quoted ? `${printableLine(quoted.from)}: ${start(quoted.text, QUOTED)}` : "an earlier message";
  return el(
    "button",
    { type: "button", class: "quote", "data-re": String(re), title: "Go to that message" },
    `↳ ${words}`,
  );
}

/**
 * Return the start of a text on one line.
 *
 * @param {string} text
 * @param {number} length
 */
export function start(text, length) {
  const line = printableLine(text.slice(0, length * 2));
  return line.length > length || text.length > length * 2 ? `${line.slice(0, length)}…` : line;
}
