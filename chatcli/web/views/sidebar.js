/** Rooms and people at the side, with what is unread. */

import { pathOf } from "../core/paths.js";
import { MANY } from "../core/frames.js";
import { eachFrame, el } from "./dom.js";
import { printableLine } from "./text.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Conversation } from "../core/state.js" */

export class Sidebar {
  #chat;
  #draw = eachFrame(() => this.#drawNow());
  #rooms = el("ul", { "aria-label": "Rooms" });
  #people = el("ul", { "aria-label": "People" });
  #find = el("input", {
    type: "text",
    autocomplete: "off",
    placeholder: "Room or person",
    "aria-label": "Open a room or a person",
  });

  /**
   * @param {Chat} chat
   * @param {{onOpen: (of: string) => void}} actions
   */
  constructor(chat, { onOpen }) {
    this.#chat = chat;
    this.onOpen = onOpen;
    this.root = el(
      "nav",
      { class: "sidebar", "aria-label": "Conversations" },
      el(
        "form",
        { class: "find", onsubmit: (/** @type {Event} */ event) => void this.#go(event) },
        this.#find,
        el("button", { type: "submit" }, "Open"),
      ),
      el("h2", {}, "Rooms"),
      this.#rooms,
      el("h2", {}, "People"),
      this.#people,
    );
    for (const event of /** @type {const} */ (["list", "people", "current"])) chat.on(event, () => this.#draw());
  }

  #drawNow() {
    const listed = this.#chat.state.listed;
    const current = this.#chat.current;
    if (current && !listed.includes(current)) listed.push(current);
    listed.sort((a, b) => b.newest - a.newest);
    this.#rooms.replaceChildren(...listed.filter((one) => one.isRoom).map((one) => this.#item(one)));
    this.#people.replaceChildren(...listed.filter((one) => !one.isRoom).map((one) => this.#item(one)));
  }

  /** @param {Conversation} conversation */
  #item(conversation) {
    const { of, unread, mentions } = conversation;
    const name = printableLine(of);
    const here = this.#chat.state.people.get(of);
    const state = conversation.isRoom ? "" : (here?.state ?? (here ? "here" : "gone"));
    const count = unread >= MANY ? `${MANY - 1}+` : String(unread);
    const words = [name, unread && `${count} unread`, mentions && `${mentions} mentioning you`, state].filter(Boolean);
    return el(
      "li",
      {},
      el(
        "a",
        {
          href: pathOf(of),
          class: unread ? "conversation unread" : "conversation",
          "aria-current": conversation === this.#chat.current ? "page" : undefined,
          "aria-label": words.join(", "),
          "data-of": of,
        },
        state && el("span", { class: `dot ${state}` }),
        el("span", { class: "name", dir: "auto" }, name),
        unread > 0 && el("span", { class: mentions || !conversation.isRoom ? "count loud" : "count" }, count),
      ),
    );
  }

  /** @param {Event} event */
  async #go(event) {
    event.preventDefault();
    const name = this.#find.value.trim();
    if (name === "") return;
    try {
      const of = name.startsWith("#") ? await this.#chat.join(name) : await this.#person(name);
      this.#find.value = "";
      this.onOpen(of);
    } catch (error) {
      this.#chat.failed(error);
    }
  }

  /** @param {string} name */
  async #person(name) {
    const { people } = await this.#chat.request({ t: "who", to: name.replace(/^@/, "") });
    return people[0].user;
  }
}
