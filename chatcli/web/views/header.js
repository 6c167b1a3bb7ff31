/** The head of the open conversation: its name, its topic or presence, and what can be done with it. */

import { eachFrame, el } from "./dom.js";
import { printableLine } from "./text.js";
import { shortTime } from "./times.js";

/** @import { Chat } from "../core/chat.js" */

export class Header {
  #chat;
  #draw = eachFrame(() => this.#drawNow());
  #title = el("h1", { dir: "auto" });
  #about = el("p", { class: "about", dir: "auto" });

  /**
   * @param {Chat} chat
   * @param {{onBack: () => void}} actions
   */
  constructor(chat, { onBack }) {
    this.#chat = chat;
    /** Where further buttons stand. */
    this.tools = el("div", { class: "tools" });
    this.root = el(
      "header",
      { class: "head" },
      el("button", { type: "button", class: "back", "aria-label": "All conversations", onclick: onBack }, "‹"),
      el("div", { class: "titles" }, this.#title, this.#about),
      this.tools,
    );
    for (const event of /** @type {const} */ (["current", "room", "people"])) chat.on(event, () => this.#draw());
  }

  #drawNow() {
    const conversation = this.#chat.current;
    this.root.hidden = conversation === null;
    if (conversation === null) return;
    this.#title.textContent = printableLine(conversation.of);
    this.#about.textContent = conversation.isRoom
      ? printableLine(conversation.room?.topic ?? "")
      : this.#where(conversation.of);
  }

  /** @param {string} user */
  #where(user) {
    const person = this.#chat.state.people.get(user);
    if (person === undefined) return "";
    const since = shortTime(person.since);
    if (person.state === "gone") return `left ${since}`;
    if (person.state === "away") return `away since ${since}${person.text ? `: ${printableLine(person.text)}` : ""}`;
    return `here since ${since}`;
  }
}
