/** Where one writes: a text for the open conversation, kept as a draft until it is said. */

import { el } from "./dom.js";
import { printableLine } from "./text.js";
import { start } from "./message.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Message } from "../core/frames.js" */
/** @import { Pending } from "../core/outbox.js" */
/** @import { Storage } from "../core/storage.js" */
/** @import { Conversation } from "../core/state.js" */

const PAUSE = 400; // ms without a key after which a draft is kept

export class Composer {
  #chat;
  #storage;
  /** @type {Conversation | null} */
  #conversation = null;
  /** @type {Message | null} */
  #re = null;
  #timer = 0;
  #text = el("textarea", { rows: 1, autocomplete: "off", oninput: () => this.#changed() });
  #reply = el("p", { class: "replying", hidden: true });
  #send = el("button", { type: "submit", class: "send" }, "Send");

  /**
   * @param {Chat} chat
   * @param {Storage} storage
   */
  constructor(chat, storage) {
    this.#chat = chat;
    this.#storage = storage;
    this.root = el(
      "form",
      { class: "composer", onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      this.#reply,
      el("div", { class: "row" }, this.#text, this.#send),
    );
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    chat.on("current", (conversation) => void this.#open(conversation));
  }

  focus() {
    this.#text.focus();
  }

  /**
   * Answer a message with what is written next.
   *
   * @param {Message} message
   */
  replyTo(message) {
    this.#re = message;
    this.#reply.replaceChildren(
      `Replying to ${printableLine(message.from)}: ${start(message.text, 60)}`,
      el("button", { type: "button", "aria-label": "Do not reply", onclick: () => this.#stopReply() }, "✕"),
    );
    this.#reply.hidden = false;
    this.focus();
  }

  /**
   * Put a message that was not sent back into the field.
   *
   * @param {Pending} pending
   */
  edit(pending) {
    this.#chat.discard(pending.id);
    this.#text.value = this.#text.value === "" ? pending.text : `${pending.text}\n${this.#text.value}`;
    this.#changed();
    this.focus();
  }

  #stopReply() {
    this.#re = null;
    this.#reply.hidden = true;
    this.focus();
  }

  /** @param {Conversation | null} conversation */
  async #open(conversation) {
    if (conversation === this.#conversation) return;
    this.#keep();
    this.#conversation = conversation;
    this.#re = null;
    this.#reply.hidden = true;
    this.root.hidden = conversation === null;
    if (conversation === null) return;
    const name = printableLine(conversation.of);
    this.#text.setAttribute("aria-label", `Message to ${name}`);
    this.#text.placeholder = `Message to ${name}`;
    this.#text.value = "";
    const draft = await this.#storage.get("drafts", conversation.of);
    if (conversation === this.#conversation && this.#text.value === "") this.#text.value = draft ?? "";
    this.#grow();
  }

  #changed() {
    this.#grow();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#keep(), PAUSE);
  }

  /** Keep the draft. */
  #keep() {
    clearTimeout(this.#timer);
    if (this.#conversation === null) return;
    const text = this.#text.value;
    this.#chat.drafted(this.#conversation.of, text !== "");
    if (text === "") void this.#storage.delete("drafts", this.#conversation.of);
    else void this.#storage.put("drafts", this.#conversation.of, text);
  }

  #grow() {
    this.#text.rows = Math.min(10, this.#text.value.split("\n").length);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      this.#submit(event);
    } else if (event.key === "Escape" && this.#re !== null) {
      this.#stopReply();
    }
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#text.value;
    if (this.#conversation === null || text.trim() === "") return;
    this.#chat.say({ to: this.#conversation.of, text, re: this.#re?.seq });
    this.#text.value = "";
    if (this.#re !== null) this.#stopReply();
    this.#keep();
    this.#grow();
  }
}
