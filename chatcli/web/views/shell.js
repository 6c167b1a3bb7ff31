/** The page once somebody is in: what stands where. */

import { conversationOf, pathOf } from "../core/paths.js";
import { Composer } from "./composer.js";
import { el } from "./dom.js";
import { Header } from "./header.js";
import { Sidebar } from "./sidebar.js";
import { Status } from "./status.js";
import { Timeline } from "./timeline.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Storage } from "../core/storage.js" */

export class Shell {
  #chat;

  /**
   * @param {Chat} chat
   * @param {Storage} storage
   */
  constructor(chat, storage) {
    this.#chat = chat;
    this.status = new Status(chat);
    this.sidebar = new Sidebar(chat, { onOpen: (of) => this.go(of) });
    this.composer = new Composer(chat, storage);
    this.header = new Header(chat, { onBack: () => this.go(null) });
    this.timeline = new Timeline(chat, {
      onReply: (message) => this.composer.replyTo(message),
      onEdit: (pending) => this.composer.edit(pending),
    });
    const main = el("main", {}, this.header.root, this.timeline.root, this.composer.root);
    this.root = el("div", { class: "shell" }, this.status.root, this.sidebar.root, main);
    this.root.addEventListener("click", (event) => this.#clicked(event));
    window.addEventListener("popstate", () => void this.#follow());
    chat.on("current", (current) => this.root.classList.toggle("open", current !== null));
  }

  /** Open the conversation that the address names. */
  async #follow() {
    const at = Number(new URLSearchParams(location.search).get("at")) || undefined;
    await this.#chat.open(conversationOf(location.pathname), at);
  }

  /** Begin: somebody is in. */
  async start() {
    await this.#follow();
  }

  /**
   * Open a conversation, and have the address name it.
   *
   * @param {string | null} of
   */
  go(of) {
    const path = of === null ? "/" : pathOf(of);
    if (path !== location.pathname) history.pushState(null, "", path);
    void this.#chat.open(of);
    if (of !== null) this.composer.focus();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const link = /** @type {HTMLElement} */ (event.target).closest("a[data-of]");
    if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.go(link.dataset["of"] ?? null);
  }
}
