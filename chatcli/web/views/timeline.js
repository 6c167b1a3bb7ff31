/** The messages of the open conversation. */

import { eachFrame, el } from "./dom.js";
import { messageNode, pendingNode } from "./message.js";
import { dayName, dayOf } from "./times.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Message } from "../core/frames.js" */
/** @import { Pending } from "../core/outbox.js" */
/** @import { Conversation } from "../core/state.js" */

const SECTION = 100; // messages in one box that the browser lays out, or skips, as a whole
const MOST = 2000; // messages in the page
const TOGETHER = 5 * 60_000; // ms within which messages of one person stand under one name
const NEAR = 300; // pixels from an end at which the next page is read
const AT_END = 40; // pixels from the end that count as the end
const DWELL = 1000; // ms for which a message was on the screen when it counts as read

export class Timeline {
  #chat;
  /** @type {Conversation | null} */
  #conversation = null;
  /** Messages that have yet to be drawn. @type {Message[]} */
  #waiting = [];
  #draw = eachFrame(() => this.#append());
  /** @type {HTMLElement} */
  #sections = el("div", { class: "sections" });
  #pending = el("div", { class: "pending-list" });
  #new = el("p", { class: "new-line", role: "separator" }, el("span", {}, "New"));
  #log = el("div", { class: "log", role: "log", tabIndex: 0, "aria-label": "Messages" }, this.#sections, this.#pending);
  #jump = el("button", { type: "button", class: "jump", hidden: true, onclick: () => this.toEnd() });
  /** @type {Message | null} */
  #newest = null;
  #reading = 0;
  #follows = true;

  /**
   * @param {Chat} chat
   * @param {{onReply: (message: Message) => void, onEdit: (pending: Pending) => void}} actions
   */
  constructor(chat, actions) {
    this.#chat = chat;
    this.actions = actions;
    this.root = el("div", { class: "timeline" }, this.#log, this.#jump);
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#log.addEventListener("click", (event) => this.#clicked(event));
    chat.on("current", (conversation) => this.#open(conversation));
    chat.on("messages", ({ conversation, kind, messages }) => {
      if (conversation !== this.#conversation) return;
      if (kind === "reset") this.#reset();
      else if (kind === "older") this.#prepend(messages);
      else this.#later(messages);
    });
    chat.on("pending", ({ conversation }) => conversation === this.#conversation && this.#drawPending());
    for (const event of /** @type {const} */ (["sent", "outbox"])) chat.on(event, () => this.#drawPending());
    chat.on("receipts", (conversation) => conversation === this.#conversation && this.#drawReceipts());
    document.addEventListener("visibilitychange", () => this.#watch());
    window.addEventListener("focus", () => this.#watch());
  }

  /** Go to the newest message. */
  toEnd() {
    if (this.#conversation?.atEnd === false) void this.#chat.toEnd();
    this.#follows = true;
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Move the focus to the newest message. */
  focus() {
    this.#log.focus();
  }

  /** @param {Conversation | null} conversation */
  #open(conversation) {
    if (conversation === this.#conversation) return;
    this.#conversation = conversation;
    this.#waiting = [];
    this.#newest = null;
    this.#sections.replaceChildren();
    this.#drawPending();
  }

  #reset() {
    const conversation = this.#conversation;
    if (conversation === null) return;
    this.#sections.replaceChildren();
    this.#newest = null;
    this.#waiting = [...conversation.messages.slice(-MOST)];
    this.#follows = conversation.marker === 0;
    this.#append();
    const line = this.#sections.querySelector(".new-line");
    if (line) line.scrollIntoView({ block: "center" });
    else this.#log.scrollTop = this.#log.scrollHeight;
    this.#watch();
  }

  /** @param {Message[]} messages */
  #later(messages) {
    this.#waiting.push(...messages);
    this.#draw();
  }

  /** Draw what waits at the end. */
  #append() {
    const conversation = this.#conversation;
    if (conversation === null) return;
    for (const message of this.#waiting) this.#put(message, conversation);
    this.#waiting = [];
    this.#drawReceipts();
    if (this.#follows) this.#log.scrollTop = this.#log.scrollHeight;
    this.#drawJump();
    this.#watch();
  }

  /**
   * @param {Message} message
   * @param {Conversation} conversation
   */
  #put(message, conversation) {
    let section = /** @type {HTMLElement | null} */ (this.#sections.lastElementChild);
    if (section === null || section.childElementCount >= SECTION) {
      section = el("section", { class: "section" });
      this.#sections.append(section);
    }
    section.append(...this.#nodes(message, this.#newest, conversation));
    this.#newest = message;
  }

  /**
   * Return the nodes of a message, with what stands before it.
   *
   * @param {Message} message
   * @param {Message | null} before
   * @param {Conversation} conversation
   */
  #nodes(message, before, conversation) {
    const nodes = [];
    if (before === null || dayOf(before.at) !== dayOf(message.at)) {
      nodes.push(el("h2", { class: "day" }, dayName(message.at)));
    }
    const marker = conversation.marker;
    if (marker && message.seq > marker && (before === null || before.seq <= marker)) nodes.push(this.#new);
    const joined =
      nodes.length === 0 &&
      before !== null &&
      before.from === message.from &&
      message.re === undefined &&
      message.at - before.at < TOGETHER;
    const quoted = conversation.messages.find((one) => one.seq === message.re);
    nodes.push(messageNode(message, { me: this.#chat.me, joined, quoted }));
    return nodes;
  }

  /** @param {Message[]} messages */
  #prepend(messages) {
    const conversation = this.#conversation;
    if (conversation === null || messages.length === 0) return; // a change would scroll, and so ask again
    const height = this.#log.scrollHeight;
    let before = null;
    const section = el("section", { class: "section" });
    for (const message of messages) {
      section.append(...this.#nodes(message, before, conversation));
      before = message;
    }
    this.#sections.prepend(section);
    this.#log.scrollTop += this.#log.scrollHeight - height;
  }

  #drawPending() {
    const conversation = this.#conversation;
    const waiting = conversation === null ? [] : this.#chat.outbox.to(conversation.of);
    this.#pending.replaceChildren(
      ...waiting.map((pending) =>
        pendingNode(pending, {
          retry: () => this.#chat.retry(pending.id),
          discard: () => void this.#chat.discard(pending.id),
          edit: () => this.actions.onEdit(pending),
        }),
      ),
    );
    if (this.#follows || waiting.length) this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Show under my newest message who has seen it. */
  #drawReceipts() {
    const conversation = this.#conversation;
    if (conversation === null) return;
    this.#sections.querySelector(".receipt")?.remove();
    const mine = conversation.messages.findLast((message) => message.from === this.#chat.me);
    if (mine === undefined) return;
    const seen = [...conversation.receipts.values()]
      .filter((receipt) => receipt.user !== this.#chat.me && receipt.seq >= mine.seq && (receipt.since ?? 0) < mine.seq)
      .map((receipt) => receipt.user);
    const words = seen.length === 0 ? "On disk" : `Seen by ${seen.slice(0, 5).join(", ")}`;
    const node = this.#sections.querySelector(`[data-seq="${mine.seq}"] .extras`);
    node?.append(el("p", { class: "receipt" }, seen.length > 5 ? `${words} and ${seen.length - 5} more` : words));
  }

  #drawJump() {
    const conversation = this.#conversation;
    const far = conversation !== null && (!this.#follows || !conversation.atEnd);
    const unread = conversation?.unread ?? 0;
    this.#jump.hidden = !far;
    this.#jump.textContent = unread ? `↓ ${unread} new` : "↓ Newest";
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const conversation = this.#conversation;
    if (conversation === null) return;
    const rest = scrollHeight - clientHeight - scrollTop;
    this.#follows = rest < AT_END && conversation.atEnd;
    if (scrollTop < NEAR) void this.#chat.older();
    if (rest < NEAR && !conversation.atEnd) void this.#chat.newer();
    this.#drawJump();
    this.#watch();
  }

  /** After a while, count as read what is on the screen now, if somebody looks. */
  #watch() {
    clearTimeout(this.#reading);
    if (document.hidden || !document.hasFocus() || this.#conversation === null) return;
    this.#reading = setTimeout(() => this.#read(), DWELL);
  }

  #read() {
    const conversation = this.#conversation;
    if (conversation === null || document.hidden || !document.hasFocus()) return;
    const bottom = this.#log.getBoundingClientRect().bottom;
    const nodes = this.#sections.querySelectorAll("article");
    for (let at = nodes.length - 1; at >= 0; at -= 1) {
      const node = /** @type {HTMLElement} */ (nodes[at]);
      if (node.getBoundingClientRect().bottom <= bottom + 1) {
        this.#chat.markRead(conversation, Number(node.dataset["seq"]));
        return;
      }
    }
  }

  /** @param {Event} event */
  #clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target).closest("[data-re]");
    if (!(target instanceof HTMLElement)) return;
    this.goTo(Number(target.dataset["re"]));
  }

  /**
   * Show a message of this conversation.
   *
   * @param {number} seq
   */
  goTo(seq) {
    const node = this.#sections.querySelector(`[data-seq="${seq}"]`);
    if (node instanceof HTMLElement) {
      node.scrollIntoView({ block: "center" });
      node.focus();
    } else if (this.#conversation !== null) {
      void this.#chat.open(this.#conversation.of, seq);
    }
  }
}
