/** What is there instead of the messages of a room that does not exist: the way to make it. */

import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Shell } from "../shell.js" */

export class Missing {
  #chat;
  #shell;
  #words = el("p", {});
  #join = el("button", { type: "submit", onclick: () => void this.#shell.enter() });

  /**
   * @param {Chat} chat
   * @param {Shell} shell
   */
  constructor(chat, shell) {
    this.#chat = chat;
    this.#shell = shell;
    this.root = el(
      "section",
      { class: "missing", hidden: true, "aria-label": "No such room" },
      this.#words,
      this.#join,
    );
    for (const event of /** @type {const} */ (["current", "room", "list"])) chat.on(event, () => this.#show());
    this.#show();
  }

  #show() {
    const { current } = this.#chat;
    const missing = current?.missing === true;
    this.root.hidden = !missing;
    this.#shell.main.classList.toggle("without", missing);
    if (!missing) return;
    const name = printableLine(current.of);
    this.#words.textContent = `There is no room ${name} that you may see: joining makes it, if the name is free.`;
    this.#join.textContent = `Join ${name}`;
  }
}
