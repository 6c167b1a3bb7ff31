/** The question before the first message to a name that has another owner, or another key. */

import { el } from "./parts/dom.js";
import { changeSentence } from "./parts/sentences.js";
import { printable, printableLine } from "./parts/text.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Pending } from "../core/outbox.js" */

export class Doubt {
  #chat;
  #onEdit;
  #text = el("p", {});
  #buttons = el("div", { class: "choices" });

  /**
   * @param {Chat} chat
   * @param {(pending: Pending) => void} onEdit takes a message back, to be changed
   */
  constructor(chat, onEdit) {
    this.#chat = chat;
    this.#onEdit = onEdit;
    this.root = el(
      "section",
      { class: "doubt", hidden: true, "aria-label": "Before you write" },
      this.#text,
      this.#buttons,
    );
    for (const event of /** @type {const} */ (["current", "renewed", "pending", "outbox", "sent"]))
      chat.on(event, () => this.#draw());
    this.#draw();
  }

  #draw() {
    const of = this.#chat.current?.of;
    const change = of === undefined ? undefined : this.#chat.names.find(of);
    this.root.hidden = change === undefined;
    if (of === undefined || change === undefined) return;
    const held = this.#chat.outbox.to(of).filter((pending) => pending.failure === undefined);
    const name = printableLine(of);
    const wait = held.length === 0 ? "What you write to" : held.length === 1 ? "Your message to" : "Your messages to";
    this.#text.textContent = printable(
      `${changeSentence(change)} ${wait} ${name} ${held.length > 1 ? "wait" : "waits"} until you answer.`,
    );
    const send = () => {
      this.#chat.trust(change);
      this.#draw();
    };
    const drop = () => held.reverse().forEach((pending) => this.#onEdit(pending));
    this.#buttons.replaceChildren(
      el("button", { type: "button", onclick: send }, held.length ? "Send" : `Write to ${name}`),
      held.length ? el("button", { type: "button", onclick: drop }, "Do not send") : "",
    );
  }
}
