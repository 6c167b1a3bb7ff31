/** The menu of a message; loaded when it is opened first. */

import { openMenu } from "../parts/menu.js";
import { permalink } from "./message.js";
import { receiptWords } from "./receipts.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Message } from "../../core/frames.js" */
/** @import { Conversation } from "../../core/state.js" */

/**
 * Open the menu of a message beside a button.
 *
 * @param {object} about
 * @param {Chat} about.chat
 * @param {Conversation} about.conversation
 * @param {Message} about.message
 * @param {HTMLElement} about.button
 * @param {() => void} about.reply
 * @param {() => void} about.unread is called when the message was marked as unread
 */
export function openMessageMenu({ chat, conversation, message, button, reply, unread }) {
  const mine = message.from === chat.me;
  const markUnread = () => {
    chat.markUnread(conversation, message.seq);
    unread();
  };
  openMenu(
    button,
    [
      { label: "Reply", run: reply },
      { label: "Copy text", run: () => void copy(chat, message.text, "The text was copied.") },
      {
        label: "Copy link",
        run: () =>
          void copy(chat, `${location.origin}${permalink(conversation.of, message.seq)}`, "The link was copied."),
      },
      { label: "Mark as unread from here", run: markUnread },
    ],
    mine ? receiptWords(conversation, message, chat.me) : "",
  );
}

/**
 * @param {Chat} chat
 * @param {string} text
 * @param {string} done
 */
async function copy(chat, text, done) {
  try {
    await navigator.clipboard.writeText(text);
    chat.emit("notice", { text: done, failed: false });
  } catch {
    chat.emit("notice", { text: "This browser does not let the page copy: select the text instead.", failed: true });
  }
}
