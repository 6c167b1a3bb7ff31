/** Jumps within a timeline: to a message and back to where one was, and to the end. */

import { el } from "../parts/dom.js";
import { permalink } from "./message.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Place } from "../../core/conversation.js" */
/** @import { Conversation } from "../../core/state.js" */
/** @import { Scroller } from "./scroller.js" */
/** @import { Stretch } from "./stretch.js" */

export class Jumps {
  #chat;
  #scroller;
  #stretch;
  #back = el("button", { type: "button", hidden: true, onclick: () => this.#goBack() }, "↩ Back");
  #end = el("button", { type: "button", hidden: true, onclick: () => void this.#press() });
  /** The place before a jump; null for the end, undefined if there was none. @type {Place | null | undefined} */
  #before = undefined;
  /** The message that a link has led to. @type {Element | null} */
  #target = null;

  /**
   * @param {Chat} chat
   * @param {Scroller} scroller
   * @param {Stretch} stretch
   */
  constructor(chat, scroller, stretch) {
    this.#chat = chat;
    this.#scroller = scroller;
    this.#stretch = stretch;
    this.root = el("div", { class: "jumps" }, this.#back, this.#end);
    window.addEventListener("popstate", () => this.#popped());
  }

  /** Go to the newest message, because somebody has pressed the button that says how many are new: they are read then. */
  async #press() {
    const conversation = this.#chat.current;
    this.reset();
    if (conversation?.atEnd === false) await this.#chat.toEnd();
    else this.#scroller.toEnd();
    const last = this.#stretch.last?.seq;
    const there = conversation === this.#chat.current && this.#scroller.follows && conversation?.atEnd;
    if (there && last !== undefined && !conversation.held) this.#chat.markRead(conversation, Math.floor(last));
  }

  /** Go to the newest message. */
  toEnd() {
    this.reset();
    if (this.#chat.current?.atEnd === false) void this.#chat.toEnd();
    else this.#scroller.toEnd();
  }

  /**
   * Go to a message of the open conversation, with a way back.
   *
   * @param {number} seq
   */
  to(seq) {
    const conversation = this.#chat.current;
    if (conversation === null) return;
    const before = this.#scroller.place;
    const path = permalink(conversation.of, seq);
    if (path !== location.pathname + location.search) history.pushState(null, "", path);
    if (!this.show(seq)) void this.#chat.open(conversation.of, seq);
    this.#before = before;
    this.#back.hidden = false;
  }

  /**
   * Show a message, and mark it; return whether it is here.
   *
   * @param {number} seq
   */
  show(seq) {
    const node = this.#stretch.find(seq)?.node;
    if (node === undefined) return false;
    this.mark(node);
    node.focus({ preventScroll: true });
    const free = this.#scroller.log.clientHeight - node.getBoundingClientRect().height;
    this.#scroller.show(node, Math.max(0, free / 3));
    return true;
  }

  /**
   * Mark the message that the address names.
   *
   * @param {Element | null} node
   */
  mark(node) {
    this.#target?.classList.remove("target");
    this.#target = node;
    node?.classList.add("target");
  }

  /** Forget where one was. */
  reset() {
    this.#before = undefined;
    this.#back.hidden = true;
    this.mark(null);
  }

  /**
   * Offer the way to the end, unless one is there.
   *
   * @param {Conversation | null} conversation
   */
  draw(conversation) {
    this.#end.hidden = !conversation?.loaded || (this.#scroller.follows && conversation.atEnd);
    const words = conversation?.unread ? `↓ ${conversation.unread} new` : "↓ Newest";
    if (this.#end.textContent !== words) this.#end.textContent = words;
  }

  #popped() {
    if (!new URLSearchParams(location.search).has("at")) this.#goBack();
  }

  #goBack() {
    const conversation = this.#chat.current;
    const before = this.#before;
    if (conversation === null || before === undefined) return;
    this.reset();
    history.replaceState(null, "", location.pathname);
    conversation.place = before;
    if (before === null) this.toEnd();
    else if (!this.#scroller.to(before)) void this.#chat.open(conversation.of, before.seq);
    this.#scroller.log.focus({ preventScroll: true });
  }
}
