/** One message as a node. */

import { pathOf } from "../../core/paths.js";
import { el, hue } from "../parts/dom.js";
import { printableLine, textNodes } from "../parts/text.js";
import { timeOfDay } from "../parts/times.js";

/** @import { Message } from "../../core/frames.js" */
/** @import { Pending } from "../../core/outbox.js" */

const QUOTED = 80; // characters of a message that is replied to
const NAMED = 60; // characters of a text in the accessible name
const LONG = 4000; // characters from which a text is cut,
const LONG_LINES = 60; // or lines,
const CUT = 2000; // to so many characters,
const CUT_LINES = 30; // or lines

/**
 * What a message node shows besides its text.
 *
 * @typedef {object} Context
 * @property {string} me
 * @property {Message | undefined} quoted the message that it answers, if it is known
 * @property {Node | false} [question] its choices, if it is a question
 */

/**
 * Return the node of a message, without its head.
 *
 * @param {Message} message
 * @param {Context} context
 */
export function messageNode(message, { me, quoted, question = false }) {
  return el(
    "article",
    {
      class: "message",
      tabIndex: -1,
      "data-seq": String(message.seq),
      "aria-label": label(message.from, message.at, message.text),
    },
    message.re === undefined ? null : quote(message.re, quoted),
    body(message.text, message.from === me ? "" : me),
    question,
  );
}

/**
 * Return the head of a message: who says it, and when.
 *
 * @param {Message} message
 * @param {string} of the conversation
 */
export function messageHead(message, of) {
  return head(message.from, message.at, permalink(of, message.seq));
}

/**
 * Return the path of a message.
 *
 * @param {string} of
 * @param {number} seq
 */
export function permalink(of, seq) {
  return `${pathOf(of)}?at=${seq}`;
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
      "aria-label": `${label(pending.user, pending.at, pending.text)}. ${state}`,
    },
    head(pending.user, pending.at, ""),
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
 * Return the time of a message as a link to it.
 *
 * @param {number} at
 * @param {string} href
 */
export function timeLink(at, href) {
  const time = el("time", { dateTime: new Date(at).toISOString() }, timeOfDay(at));
  return href === "" ? time : el("a", { class: "when", href, tabIndex: -1 }, time);
}

/**
 * @param {string} from
 * @param {number} at
 * @param {string} text
 */
function label(from, at, text) {
  return `${printableLine(from)}, ${timeOfDay(at)}: ${start(text, NAMED)}`;
}

/**
 * @param {string} from
 * @param {number} at
 * @param {string} href
 */
function head(from, at, href) {
  return el(
    "header",
    {},
    el("span", { class: `author hue-${hue(from)}`, dir: "auto" }, printableLine(from)),
    timeLink(at, href),
  );
}

/**
 * @param {string} text
 * @param {string} me
 */
function body(text, me) {
  const shown = cut(text);
  const node = el("div", { class: "text", dir: "auto" }, ...textNodes(shown, me));
  if (shown.length === text.length) return node;
  const size = text.length < 1000 ? `${text.length} characters` : `${Math.round(text.length / 1000)},000 characters`;
  const all = el(
    "button",
    { type: "button", class: "all", tabIndex: -1, onclick: () => node.replaceChildren(...textNodes(text, me)) },
    `Show all (${size})`,
  );
  node.append("…\n", all);
  return node;
}

/**
 * Return a text, or its beginning if it is a long one.
 *
 * @param {string} text
 */
function cut(text) {
  if (text.length > LONG) return beginning(whole(text.slice(0, CUT)));
  if (text.length < LONG_LINES || lineEnd(text, LONG_LINES) === -1) return text;
  return beginning(text);
}

/** @param {string} text */
function beginning(text) {
  const end = lineEnd(text, CUT_LINES);
  return end === -1 ? text : text.slice(0, end);
}

/**
 * Return the index of the end of a line of a text, or -1 if there are fewer lines.
 *
 * @param {string} text
 * @param {number} lines
 */
function lineEnd(text, lines) {
  let end = -1;
  for (let line = 0; line < lines; line += 1) {
    end = text.indexOf("\n", end + 1);
    if (end === -1) return -1;
  }
  return end;
}

/**
 * @param {number} re
 * @param {Message | undefined} quoted
 */
function quote(re, quoted) {
  return el(
    "button",
    { type: "button", class: "quote", tabIndex: -1, "data-re": String(re), title: "Go to that message" },
    quoteWords(quoted),
  );
}

/**
 * Return a message as a quotation.
 *
 * @param {Message | null | undefined} quoted
 */
export function quoteWords(quoted) {
  return `↳ ${quoted ? `${printableLine(quoted.from)}: ${start(quoted.text, QUOTED)}` : "an earlier message"}`;
}

/**
 * Return the start of a text on one line.
 *
 * @param {string} text
 * @param {number} length
 */
export function start(text, length) {
  const line = printableLine(whole(text.slice(0, length * 2)).replace(/\s*\n\s*/g, " "));
  return line.length > length || text.length > length * 2 ? `${whole(line.slice(0, length))}…` : line;
}

/**
 * Return a text without the half of a character at its end.
 *
 * @param {string} text
 */
function whole(text) {
  return text.replace(/[\ud800-\udbff]$/, "");
}
