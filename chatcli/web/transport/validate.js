/** What a server says, checked: a broken or hostile one gets nowhere beyond this, as far as types and bounds go. */

/** @import { Frame } from "../core/frames.js" */

const LATEST = 253_370_764_800_000; // ms, the year 9999
const LONGEST_NAME = 200;
const LONGEST_ID = 128;
const LONGEST_TEXT = 4 * 1024 * 1024;
const MOST_NAMES = 100_000; // in one list

/** @typedef {(value: any) => boolean} Check */
/** @typedef {Record<string, Check>} Shape */

/** @type {Check} */
const seq = (value) => Number.isSafeInteger(value) && value >= 0;
/** @type {Check} */
const time = (value) => seq(value) && value <= LATEST;
/** @type {Check} */
const whole = (value) => Number.isSafeInteger(value);
/** @type {Check} */
const flag = (value) => typeof value === "boolean";

/** @type {(most: number, least?: number) => Check} */
const string =
  (most, least = 0) =>
  (value) =>
    typeof value === "string" && value.length >= least && value.length <= most;

const name = string(LONGEST_NAME, 1);
const id = string(LONGEST_ID);
const text = string(LONGEST_TEXT);

/** @type {(...words: string[]) => Check} */
const word =
  (...words) =>
  (value) =>
    words.includes(value);

/** A list whose entries are dropped if they are wrong. @type {(check: Check) => Check} */
const list = (check) => (value) => {
  if (!Array.isArray(value)) return false;
  const good = value.slice(0, MOST_NAMES).filter(check);
  if (good.length < value.length) value.splice(0, value.length, ...good);
  return true;
};

/** @type {(required: Shape, optional?: Shape) => Check} */
const object =
  (required, optional = {}) =>
  (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    for (const field in optional) {
      if (value[field] === null) delete value[field]; // as if it were missing
      if (value[field] !== undefined && !optional[field]?.(value[field])) return false;
    }
    for (const field in required) if (!required[field]?.(value[field])) return false;
    return true;
  };

const message = object(
  { seq, id, from: name, to: name, text, at: time },
  { re: seq, choices: list(string(LONGEST_NAME, 1)), until: time, answer: whole },
);
const person = object({ user: name, since: time }, { state: word("here", "away", "gone"), text, idle: time });
const room = object(
  { name, kind: word("open", "private", "announcement"), members: seq },
  { topic: text, owners: list(name), joined: flag, invited: flag, last: message },
);
const receipt = object({ user: name, seq }, { to: name, since: seq, received: seq });
const change = object({ user: name, what: name, at: time, seq }, { by: name });
const listed = object({ of: name }, { last: message, unread: seq, mentions: seq, read: seq });
const unread = object({ of: name, count: seq }, { seq, mentions: seq });
const token = object(
  { id, scope: string(LONGEST_NAME, 1), since: time },
  { label: text, to: list(name), until: time, used: time },
);
const limits = object({ text: seq, frame: seq, silence: seq });

/** Frames by their tag; those that are not here are of no use to the page, or checked where they are used. */
const SHAPES = /** @type {Record<string, Check>} */ ({
  challenge: object({ nonce: string(LONGEST_NAME), server: text, key: string(LONGEST_NAME) }),
  welcome: object(
    { user: name, head: seq, cursor: seq, server: text, limits, rooms: list(name), invited: list(name) },
    { revision: seq, epoch: string(LONGEST_NAME), shared: seq, read: seq, reads: list(object({ of: name, seq })) },
  ),
  message,
  sent: object({ id, seq, at: time }),
  error: object({ code: string(LONGEST_NAME), text }, { id, names: list(name) }),
  bye: object({ code: string(LONGEST_NAME), text }),
  live: object({ seq }),
  skipped: object({ to: name, count: seq, before: seq }),
  read: object({ seq }, { of: name, back: flag }),
  receipt,
  presence: object({}, { here: list(name), gone: list(name), away: list(person) }),
  happened: object({ room: name, what: name }, { user: name, by: name, text }),
  renewed: change,
  who: object({ people: list(person) }, { to: name, count: seq }),
  room: object({ room }, { since: seq }),
  rooms: object({ rooms: list(room), more: flag }),
  history: object({ of: name, messages: list(message), more: flag }, { changes: list(change) }),
  search: object({ messages: list(message), more: flag }),
  receipts: object({ to: name, people: list(receipt) }),
  answer: object({ re: seq }, { message }),
  unread: object({ conversations: list(unread) }, { cursor: seq }),
  link: object({ code: string(LONGEST_NAME, 1), until: time }),
  keys: object({ keys: list(object({ fingerprint: string(LONGEST_NAME, 1), since: time }, { device: text })) }),
  token: object({ token: string(LONGEST_NAME, 1), id }, { until: time }),
  tokens: object({ tokens: list(token) }),
  conversations: object({ conversations: list(listed), more: flag }),
});

const tagged = object({ t: string(LONGEST_NAME, 1) }, { n: whole });

/**
 * Return the frame in a line. What is none has the tag "nonsense", and the number of the request that it answers if that
 * can be read.
 *
 * @param {string} line
 * @returns {Frame}
 */
export function readFrame(line) {
  let frame;
  try {
    frame = JSON.parse(line);
  } catch {
    return { t: "nonsense" };
  }
  if (!tagged(frame)) return { t: "nonsense" };
  const check = Object.hasOwn(SHAPES, frame.t) ? SHAPES[frame.t] : undefined;
  return check === undefined || check(frame) ? frame : { t: "nonsense", n: frame.n };
}

const DONE = ["away", "leave", "topic", "revoke", "untoken", "operate", "check"];

/**
 * Return the tag of the answer to a request.
 *
 * @param {string} tag
 */
export function answerTo(tag) {
  if (DONE.includes(tag)) return "done";
  return { join: "room", ping: "pong", answers: "answer" }[tag] ?? tag;
}
