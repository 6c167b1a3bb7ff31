/** What is known of a message of mine: on disk, received, seen by whom. */

import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

/** @import { Message } from "../../core/frames.js" */
/** @import { Conversation } from "../../core/state.js" */
/** @import { Stretch } from "./stretch.js" */

const NAMED = 3; // people who are named before the others are only counted

/** The line under the newest message of mine. */
export class ReceiptLine {
  #stretch;
  #line = el("p", { class: "receipt", "aria-live": "off" });

  /** @param {Stretch} stretch */
  constructor(stretch) {
    this.#stretch = stretch;
  }

  /**
   * @param {Conversation | null} conversation
   * @param {string} me
   */
  draw(conversation, me) {
    const mine = conversation?.atEnd ? this.#newest(me) : undefined;
    if (!conversation || mine?.message === undefined) return this.#line.remove();
    const words = receiptWords(conversation, mine.message, me);
    if (this.#line.textContent !== words) this.#line.textContent = words;
    if (this.#line.parentNode !== mine.node) mine.node.append(this.#line);
  }

  /** @param {string} me */
  #newest(me) {
    for (const entry of this.#stretch.backwards()) if (entry.message?.from === me) return entry;
    return undefined;
  }
}

/**
 * Return the state of a message of mine in words.
 *
 * @param {Conversation} conversation
 * @param {Message} message
 * @param {string} me
 */
export function receiptWords(conversation, message, me) {
  return conversation.isRoom ? inRoom(conversation, message, me) : withPerson(conversation, message);
}

/**
 * @param {Conversation} conversation
 * @param {Message} message
 */
function withPerson(conversation, { seq }) {
  const receipt = conversation.receipts.get(conversation.of);
  if (receipt !== undefined && receipt.seq >= seq) return `Seen by ${printableLine(receipt.user)}`;
  return (receipt?.received ?? 0) >= seq ? "Received" : "On disk";
}

/**
 * @param {Conversation} conversation
 * @param {Message} message
 * @param {string} me
 */
function inRoom({ receipts }, message, me) {
  const names = [];
  let others = 0;
  for (const { user, seq, since = 0 } of receipts.values()) {
    if (user === me || seq < message.seq || since >= message.seq) continue;
    if (names.length < NAMED) names.push(printableLine(user));
    else others += 1;
  }
  if (names.length === 0) return "On disk";
  if (others > 0) return `Seen by ${names.join(", ")} and ${others} more`;
  const last = names.pop();
  return `Seen by ${names.length ? `${names.join(", ")} and ${last}` : last}`;
}
