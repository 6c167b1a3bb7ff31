/** What is there while no conversation is open: rooms to enter, and people to talk with. */

import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Person } from "../../core/frames.js" */
/** @import { Shell } from "../shell.js" */

const MOST = 12; // people that are named

export class Lobby {
  #chat;
  #shell;
  #here = el("p", { class: "choices here" });
  #alone = el(
    "p",
    { class: "faint here", hidden: true },
    "Nobody else is here now. Others come in at ",
    el("code", {}, location.origin),
    ".",
  );

  /**
   * @param {Chat} chat
   * @param {Shell} shell
   */
  constructor(chat, shell) {
    this.#chat = chat;
    this.#shell = shell;
    this.root = el(
      "section",
      { class: "lobby", hidden: true, "aria-label": "Begin" },
      el("h1", {}, "chatcli"),
      el("p", {}, "Open a conversation at the side, or begin one:"),
      el(
        "p",
        { class: "make" },
        el("button", { type: "submit", onclick: () => void shell.browse() }, "Find or make a room"),
      ),
      el("h2", { class: "here-now" }, "Here now"),
      this.#here,
      this.#alone,
      el(
        "p",
        { class: "faint" },
        el("kbd", {}, "Ctrl K"),
        " goes to any conversation, ",
        el("kbd", {}, "?"),
        " shows all keys.",
      ),
    );
    chat.on("current", () => this.#show());
    chat.on("phase", () => this.#show());
    this.#show();
  }

  #show() {
    this.root.hidden = this.#chat.current !== null;
    if (!this.root.hidden && this.#chat.phase === "ready") void this.#load();
  }

  async #load() {
    try {
      const { people, count } = await this.#chat.request({ t: "who", limit: MOST + 1 });
      const others = people.filter((/** @type {Person} */ { user }) => user !== this.#chat.me).slice(0, MOST);
      const more = (count ?? people.length) - 1 - others.length;
      this.#here.replaceChildren(
        ...others.map((/** @type {Person} */ { user }) =>
          el("button", { type: "button", dir: "auto", onclick: () => this.#shell.go(user) }, printableLine(user)),
        ),
        more > 0 ? el("button", { type: "button", onclick: () => void this.#shell.browse() }, `${more} more…`) : "",
      );
      this.#alone.hidden = others.length > 0;
    } catch {
      // the connection was lost; it is asked again when it is back
    }
  }
}
