/** What stands in a conversation in which nothing has been said. */

import { pathOf } from "../../core/paths.js";
import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Conversation } from "../../core/state.js" */

/** One quiet sentence. */
export class Empty {
  constructor() {
    this.root = el("p", { class: "note", dir: "auto", hidden: true });
  }

  /**
   * Show the sentence if there is nothing else.
   *
   * @param {Conversation | null} conversation
   * @param {Chat} chat
   */
  draw(conversation, chat) {
    const empty = conversation?.loaded && conversation.atStart && conversation.atEnd;
    const shown = Boolean(empty && conversation.messages.length === 0 && chat.outbox.to(conversation.of).length === 0);
    const words = shown && conversation !== null ? sentence(conversation, chat.me) : "";
    if (this.root.textContent !== words) this.root.textContent = words;
    this.root.hidden = !shown;
  }
}

/**
 * @param {Conversation} conversation
 * @param {string} me
 */
function sentence({ of, room }, me) {
  if (room?.owners?.length !== 1 || room.owners[0] !== me) return "Nothing has been said yet.";
  const address = `${location.origin}${pathOf(of)}`;
  const way = room.kind === "private" ? "Invite somebody." : `Invite somebody, or give the address: ${address}`;
  return `You made ${printableLine(of)}. ${way}`;
}
