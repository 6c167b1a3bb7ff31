/** What is there instead of the field for writing in a room from which one was removed. */

import { el } from "../parts/dom.js";
import { happenedSentence } from "../parts/sentences.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Happened } from "../../core/frames.js" */
/** @import { Shell } from "../shell.js" */

export class Removed {
  #chat;
  #shell;
  /** The removals from rooms, by the room. @type {Map<string, Happened>} */
  #how = new Map();
  #words = el("p", {});
  #join = el("button", { type: "submit", onclick: () => void this.#shell.enter() });

  /**
   * @param {Chat} chat
   * @param {Shell} shell
   */
  constructor(chat, shell) {
    this.#chat = chat;
    this.#shell = shell;
    this.root = el("section", { class: "removed", hidden: true, "aria-label": "Removed" }, this.#words, this.#join);
    chat.on("happened", (happened) => {
      if (happened.user !== chat.me) return;
      const { what, room } = happened;
      if (what === "kicked" || what === "banned") this.#how.set(room, happened);
      else if (what === "joined" || what === "unbanned" || what === "invited") this.#how.delete(room);
      this.#show();
    });
    for (const event of /** @type {const} */ (["current", "room", "list"])) chat.on(event, () => this.#show());
    this.#show();
  }

  #show() {
    const { current, state, me } = this.#chat;
    const of = current?.of ?? "";
    if (state.rooms.has(of)) this.#how.delete(of);
    const how = this.#how.get(of);
    const shown = !this.root.hidden;
    this.root.hidden = how === undefined;
    this.#shell.main.classList.toggle("unwritable", how !== undefined);
    if (how === undefined) return;
    const sentence = `${happenedSentence(how, me)}.`;
    if (this.#words.textContent !== sentence) this.#words.textContent = sentence;
    this.#join.textContent = `Join ${printableLine(of)} again`;
    this.#join.hidden = how.what === "banned" || current?.room?.kind === "private";
    if (!shown && document.activeElement?.closest(".composer")) this.#shell.timeline.focus();
  }
}
