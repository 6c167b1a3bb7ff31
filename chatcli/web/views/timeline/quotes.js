/** What replies quote, where it was not loaded when they were drawn: asked for once they are on the screen. */

import { quoteWords } from "./message.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Conversation } from "../../core/state.js" */
/** @import { Entry, Stretch } from "./stretch.js" */

const MOST_ASKED = 5; // at once

/**
 * Fill in what the messages on the screen quote.
 *
 * @param {Chat} chat
 * @param {Conversation} conversation
 * @param {Stretch} stretch
 * @param {[Entry, Entry]} seen the first and the last on the screen
 */
export function fillQuotes(chat, conversation, stretch, [first, last]) {
  let asked = 0;
  /** @type {Entry | undefined} */
  let entry = first;
  for (; entry !== undefined && entry.seq <= last.seq; entry = stretch.beside(entry, 1)) {
    const re = entry.message?.re;
    if (re === undefined || entry.asked || asked === MOST_ASKED) continue;
    entry.asked = true;
    asked += 1;
    const quote = entry.node.querySelector(".quote");
    void chat.message(conversation, re).then((found) => found && quote?.replaceChildren(quoteWords(found)));
  }
}
