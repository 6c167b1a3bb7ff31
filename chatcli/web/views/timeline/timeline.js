/** The messages of the open conversation. */

import { LAST_SEQ } from "../../core/frames.js";
import { Active } from "./active.js";
import { Announcer } from "./announcer.js";
import { eachFrame, el } from "../parts/dom.js";
import { Empty } from "./empty.js";
import { Jumps } from "./jumps.js";
import { messageHead, messageNode, pendingNode } from "./message.js";
import { itemOf, noteNode, withNotes } from "./notes.js";
import { fillQuotes } from "./quotes.js";
import { looking, Reading } from "./reading.js";
import { ReceiptLine } from "./receipts.js";
import { Scroller } from "./scroller.js";
import { Stretch } from "./stretch.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Place } from "../../core/conversation.js" */
/** @import { Message } from "../../core/frames.js" */
/** @import { Pending } from "../../core/outbox.js" */
/** @import { Conversation } from "../../core/state.js" */
/** @import { Item } from "./stretch.js" */

const MOST = 2000; // messages in the page
const NEAR = 1000; // pixels from an end at which the next page is read
const BURST = 8; // messages in one frame, after which
const PACE = 100; // ms pass until the next are drawn: what runs through faster nobody reads, and keys come first

export class Timeline {
  #chat;
  /** @type {Conversation | null} */
  #conversation = null;
  /** Messages that were just said, and have yet to be drawn. @type {Message[]} */
  #waiting = [];
  #draw = eachFrame(() => this.#drawLive());
  #drawReceiptsSoon = eachFrame(() => this.#drawReceipts());
  #stretch = new Stretch(
    (item) => this.#node(item),
    (message) => messageHead(message, this.#conversation?.of ?? ""),
  );
  #empty = new Empty();
  #pending = el("div", { class: "pending-list", "aria-live": "off" });
  #log = el(
    "div",
    { class: "log", role: "log", tabIndex: 0, "aria-label": "Messages" },
    this.#stretch.root,
    this.#empty.root,
    this.#pending,
  );
  #receipts = new ReceiptLine(this.#stretch);
  #scroller = new Scroller(this.#log, this.#stretch);
  #announcer = new Announcer(this.#log);
  #reading = new Reading(
    () => this.#look(),
    (seq) => this.#read(seq),
  );
  #active;
  #jumps;
  /** The messages drawn last, at once. */
  #last = { at: 0, count: 0 };
  #pause = 0;
  /**
   * @param {Chat} chat
   * @param {{onReply: (message: Message) => void, onEdit: (pending: Pending) => void,
   *   question?: (message: Message, conversation: Conversation) => Node | false}} actions
   * @param {number} [most] messages in the page
   */
  constructor(chat, actions, most = MOST) {
    this.#chat = chat;
    this.actions = actions;
    this.most = most;
    this.#jumps = new Jumps(chat, this.#scroller, this.#stretch);
    this.root = el("div", { class: "timeline" }, this.#log, this.#jumps.root, this.#announcer.root);
    this.#active = new Active(this.#log, this.#stretch, {
      reply: (message) => this.actions.onReply(message),
      more: (message, button) => void this.#menu(message, button),
      older: () => void this.#chat.older(),
      of: () => this.#conversation?.of ?? "",
    });
    this.#hear(chat);
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#log.addEventListener("click", (event) => this.#clicked(event), { capture: true });
    document.addEventListener("keydown", (event) => this.#key(event));
    const observer = new ResizeObserver(() => this.#resized());
    for (const node of [this.#log, this.#stretch.root, this.#pending]) observer.observe(node);
  }

  /** @param {Chat} chat */
  #hear(chat) {
    const open = (/** @type {Conversation} */ conversation) => conversation === this.#conversation;
    chat.on("current", (conversation) => this.#open(conversation));
    chat.on("messages", ({ conversation, kind, messages, at }) => {
      if (!open(conversation)) return;
      if (kind === "reset") this.#reset(conversation, at);
      else if (kind === "live") this.#live(messages);
      else this.#more(conversation, kind, messages);
    });
    chat.on("room", (conversation) => open(conversation) && this.#moved());
    chat.on("note", (conversation) => open(conversation) && this.#draw());
    chat.on("pending", ({ conversation, pending, gone }) => {
      if (!open(conversation)) return;
      this.#drawPending();
      if (!gone && pending.failure === undefined && pending.answer === undefined) this.toEnd();
    });
    for (const event of /** @type {const} */ (["sent", "outbox"])) chat.on(event, () => this.#drawPending());
    chat.on("receipts", (conversation) => open(conversation) && this.#drawReceiptsSoon());
    chat.on("list", () => this.#jumps.draw(this.#conversation));
  }

  // Where one is

  /** Go to the newest message. */
  toEnd() {
    this.#jumps.toEnd();
  }

  /** Move the focus to the messages. */
  focus() {
    const seen = this.#scroller.seen;
    if (seen) this.#active.focus(seen[1]);
    else this.#log.focus();
  }

  /**
   * Show a message of this conversation, with a way back.
   *
   * @param {number} seq
   */
  goTo(seq) {
    this.#jumps.to(seq);
  }

  #resized() {
    this.#stretch.width = this.#log.clientWidth;
    this.#scroller.resized();
    this.#reading.look();
  }

  #scrolled() {
    this.#scroller.scrolled();
    this.#moved();
  }

  /** Do what follows from another place: read on, offer the way to the end, count as read what is seen. */
  #moved() {
    const conversation = this.#conversation;
    if (conversation === null || !conversation.loaded) return;
    this.#scroller.atEnd = conversation.atEnd;
    this.#announcer.listen(this.#scroller.follows);
    if (this.#log.scrollTop < NEAR && !conversation.atStart) void this.#chat.older();
    if (!conversation.atEnd && this.#scroller.rest < NEAR) void this.#chat.newer();
    this.#jumps.draw(this.#conversation);
    this.#empty.draw(conversation, this.#chat);
    this.#reading.look();
  }

  /** Return the messages on the screen, and keep their place. */
  #look() {
    const seen = this.#scroller.seen;
    if (seen === null || this.#conversation === null) return null;
    this.#conversation.place = this.#scroller.place;
    fillQuotes(this.#chat, this.#conversation, this.#stretch, seen);
    return { low: seen[0].seq, high: seen[1].seq };
  }

  /** @param {number} seq */
  #read(seq) {
    const conversation = this.#conversation;
    if (conversation !== null && !conversation.held) this.#chat.markRead(conversation, Math.floor(seq));
  }

  // What is drawn

  /** @param {Conversation | null} conversation */
  #open(conversation) {
    if (conversation === this.#conversation) return;
    if (this.#conversation?.loaded) this.#conversation.place = this.#scroller.place;
    this.#conversation = conversation;
    this.#waiting = [];
    this.#stretch.clear();
    this.#empty.draw(null, this.#chat);
    this.#jumps.reset();
    this.#drawPending();
    this.#jumps.draw(null);
  }

  /**
   * @param {Conversation} conversation
   * @param {number | undefined} at
   */
  #reset(conversation, at) {
    const { messages, place } = conversation;
    const { first, last } = this.#stretch;
    const drawn = !this.#waiting.length && messages[0]?.seq === first?.seq && messages.at(-1)?.seq === last?.seq;
    this.#waiting = [];
    this.#announcer.listen(false);
    this.#scroller.atEnd = conversation.atEnd;
    if (!drawn) this.#stretch.clear();
    this.#stretch.atStart = conversation.atStart;
    if (!drawn) this.#stretch.append(this.#items(conversation, messages.slice(-this.most)));
    this.#stretch.mark(conversation.marker, this.#chat.me);
    this.#drawReceipts();
    this.#begin(conversation, at, place);
    conversation.place = this.#scroller.place;
    this.#reading.reset();
    this.#moved();
  }

  /**
   * Go to where a conversation is opened.
   *
   * @param {Conversation} conversation
   * @param {number | undefined} at
   * @param {Place | null} place
   */
  #begin(conversation, at, place) {
    const { line } = this.#stretch;
    if (at === LAST_SEQ) this.#scroller.toEnd();
    else if (place !== null && (at ?? place.seq) === place.seq && this.#scroller.to(place)) return;
    else if (at !== undefined) this.#jumps.show(at);
    else if (line !== null && conversation.unread > 0) this.#scroller.show(line, this.#log.clientHeight / 4);
    else this.#scroller.toEnd();
  }

  /** @param {Message[]} messages */
  #live(messages) {
    const conversation = this.#conversation;
    const first = messages[0];
    if (conversation === null || first === undefined) return;
    const last = this.#waiting.at(-1) ?? this.#stretch.last;
    const allRead = last !== undefined && last.seq < first.seq && conversation.read >= Math.floor(last.seq);
    if (allRead && first.from !== this.#chat.me && !looking()) conversation.marker = conversation.read;
    this.#waiting.push(...messages);
    if (this.#last.count < BURST) this.#draw();
    else this.#pause ||= setTimeout(this.#draw, Math.max(0, this.#last.at + PACE - performance.now()));
  }

  #drawLive() {
    const conversation = this.#conversation;
    clearTimeout(this.#pause);
    this.#pause = 0;
    if (conversation === null) return;
    const last = this.#stretch.last?.seq ?? 0;
    const waiting = this.#waiting.filter((message) => conversation.find(message.seq));
    this.#waiting = [];
    this.#last = { at: performance.now(), count: waiting.length };
    this.#announcer.count(conversation.of, waiting.filter(({ from }) => from !== this.#chat.me).length);
    this.#scroller.hold(() => {
      for (const message of waiting) if (message.seq < last) this.#stretch.insert(itemOf(message));
      this.#stretch.append(
        this.#items(
          conversation,
          waiting.filter(({ seq }) => seq > last).sort((a, b) => a.seq - b.seq),
        ),
      );
      this.#stretch.mark(conversation.marker, this.#chat.me);
      this.#drawReceipts();
      this.#trim(conversation);
    });
    this.#stayAtLine();
    this.#moved();
  }

  /** Follow the end no further than the line "new" stays in view, while nobody can see the page. */
  #stayAtLine() {
    const { line } = this.#stretch;
    if (!document.hidden || line === null) return;
    const above = this.#log.getBoundingClientRect().top - line.getBoundingClientRect().top;
    if (above > 0 && this.#scroller.follows) this.#scroller.show(line, 0);
  }

  /**
   * @param {Conversation} conversation
   * @param {"older" | "newer"} kind
   * @param {Message[]} messages
   */
  #more(conversation, kind, messages) {
    if (this.#waiting.length) this.#drawLive();
    this.#announcer.listen(false);
    this.#stretch.atStart = conversation.atStart;
    this.#scroller.follows &&= kind === "older";
    this.#scroller.hold(() => {
      const items = this.#items(conversation, messages, kind === "older");
      if (kind === "older") this.#stretch.prepend(items);
      else this.#stretch.append(items);
      this.#trim(conversation);
    });
    this.#moved();
  }

  /**
   * Take away what is too much, at the end that is farther away.
   *
   * @param {Conversation} conversation
   */
  #trim(conversation) {
    const newest = !this.#scroller.follows && this.#scroller.nearStart;
    while (this.#stretch.size > this.most) {
      if (newest) conversation.dropNewest(this.#stretch.dropLast());
      else conversation.dropOldest(this.#stretch.dropFirst());
    }
    this.#stretch.atStart = conversation.atStart;
    this.#scroller.atEnd = conversation.atEnd;
  }

  /**
   * Return messages with the quiet lines among them.
   *
   * @param {Conversation} conversation
   * @param {Message[]} messages
   * @param {boolean} [before] whether they are put before those that are drawn
   * @returns {Item[]}
   */
  #items(conversation, messages, before = false) {
    const start = conversation.atStart ? 0 : (messages[0]?.seq ?? Infinity);
    const low = before ? start : (this.#stretch.last?.seq ?? start);
    const end = conversation.atEnd ? Infinity : (messages.at(-1)?.seq ?? 0);
    const high = before ? (this.#stretch.first?.seq ?? Infinity) : end;
    return withNotes(messages, conversation.notes, low, high);
  }

  /** @param {Item} item */
  #node({ message, note }) {
    const me = this.#chat.me;
    if (message === undefined) return note ? noteNode(note, me) : el("p");
    const quoted = message.re === undefined ? undefined : this.#conversation?.find(message.re);
    const question = this.#conversation !== null && this.actions.question?.(message, this.#conversation);
    return messageNode(message, { me, quoted, question });
  }

  #drawPending() {
    const conversation = this.#conversation;
    const waiting = conversation === null ? [] : this.#chat.outbox.to(conversation.of);
    if (waiting.length === 0 && !this.#pending.hasChildNodes()) return;
    if (waiting.length > 0) this.#empty.draw(null, this.#chat);
    const nodes = waiting.map((pending) =>
      pendingNode(pending, {
        retry: () => this.#chat.retry(pending.id),
        discard: () => void this.#chat.discard(pending.id),
        edit: () => this.actions.onEdit(pending),
      }),
    );
    this.#scroller.hold(() => this.#pending.replaceChildren(...nodes));
  }

  /** Show under my newest message who has seen it. */
  #drawReceipts() {
    this.#receipts.draw(this.#conversation, this.#chat.me);
  }

  // What is done with them

  /** @param {Event} event */
  #clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const quote = target.closest(".quote");
    const time = target.closest("a.when");
    if (target.closest(".all")) this.#scroller.follows = false; // what is read now is its beginning
    if (quote) this.goTo(Number(quote.getAttribute("data-re")));
    const { ctrlKey, metaKey, shiftKey } = /** @type {MouseEvent} */ (event);
    if (!time || ctrlKey || metaKey || shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", time.getAttribute("href"));
    this.#jumps.mark(time.closest("article"));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (this.#conversation === null || target.closest("dialog, [role=menu]")) return;
    const field = target.closest("textarea, input, select");
    const empty = field === null || (field instanceof HTMLTextAreaElement && field.value === "");
    const page = { PageUp: -0.85, PageDown: 0.85 }[event.key];
    if (event.key === "Escape" && event.shiftKey) this.#chat.markAllRead();
    else if (event.key === "End" && empty) this.toEnd();
    else if (page && empty && field !== null) this.#log.scrollBy({ top: this.#log.clientHeight * page });
    else return;
    event.preventDefault();
  }

  /**
   * @param {Message} message
   * @param {HTMLElement} button
   */
  async #menu(message, button) {
    const conversation = this.#conversation;
    if (conversation === null) return;
    const { openMessageMenu } = await import("./messagemenu.js");
    openMessageMenu({
      chat: this.#chat,
      conversation,
      message,
      button,
      reply: () => this.actions.onReply(message),
      unread: () => this.#stretch.mark(conversation.marker, this.#chat.me),
    });
  }
}
