/** What the server pushes: each frame changes what is known, and views hear of it. */

/** @import { Chat } from "./chat.js" */
/** @import { Connection } from "../transport/connection.js" */
/** @import { Conversation, Note } from "./conversation.js" */
/** @import { Frame, Happened, Message, NameChange, Receipt } from "./frames.js" */
/** @import { History } from "./history.js" */

const ACK_AFTER = 200; // ms in which messages are acknowledged together
const CLOCK_OFF = 3000; // ms by which this machine's clock may differ from the server's without being called wrong
const COUNT_AFTER = 300; // ms in which unread counts are asked for once
const OVER_AFTER = 1100; // ms after the end of a question: the server counts by whole seconds
const LONGEST_TIMER = 2 ** 31 - 1; // ms

export class Receiver {
  #chat;
  #connection;
  #history;
  #ackTimer = 0;
  #countTimer = 0;
  /** The ends of questions that were unread when they came. @type {number[]} */
  #ends = [];
  #endTimer = 0;
  #liveSince = Infinity; // when the feed caught up, by this machine's clock

  /**
   * @param {Chat} chat
   * @param {Connection} connection
   * @param {History} history
   */
  constructor(chat, connection, history) {
    this.#chat = chat;
    this.#connection = connection;
    this.#history = history;
    connection.on("frame", (frame) => this.#receive(frame));
    connection.on("phase", () => (this.#liveSince = Infinity));
  }

  /** @param {Frame} frame */
  #receive(frame) {
    const any = /** @type {any} */ (frame);
    switch (frame.t) {
      case "message":
        return this.#message(any);
      case "sent":
        return this.#sent(any);
      case "error":
        return this.#error(any);
      case "live":
        this.#advance(any.seq);
        this.#liveSince = Date.now();
        this.#chat.caughtUp();
        return;
      case "skipped":
        return this.#skipped(any);
      case "read":
        return this.#read(any);
      case "receipt":
        return this.#receipt(any);
      case "presence":
        this.#chat.state.presence(any);
        this.#chat.emit("people", null);
        return;
      case "happened":
        return this.#happened(any);
      case "renewed":
        return this.#renewed(any);
    }
  }

  /**
   * Note how far the feed has come.
   *
   * @param {number} seq
   */
  #advance(seq) {
    this.#chat.state.cursor = Math.max(this.#chat.state.cursor, seq);
  }

  /** @param {Message} message */
  #message(message) {
    this.#advance(message.seq);
    this.acknowledge();
    const mine = this.#chat.outbox.get(message.id);
    if (mine) {
      this.#chat.outbox.remove(message.id);
      this.#chat.emit("sent", { pending: mine, message });
    }
    if (this.#liveSince < Date.now()) this.#setClock(message.at);
    this.#put(message);
    if (message.answer !== undefined) this.count(); // a question that is answered is unread no more
  }

  /**
   * Compare the clocks, at something that the server has just received.
   *
   * @param {number} at by the server's clock
   */
  #setClock(at) {
    const { state } = this.#chat;
    const offset = at - Date.now();
    if (Math.abs(offset - state.offset) < CLOCK_OFF) return;
    state.offset = Math.abs(offset) < CLOCK_OFF ? 0 : offset;
    this.#chat.emit("clock", state.offset);
  }

  /** @param {Message} message */
  #put(message) {
    const { conversation, shown, counts } = this.#chat.state.message(message);
    this.#history.keep(conversation, message);
    if (shown) {
      if (conversation !== this.#chat.current) conversation.trim();
      this.#chat.emit("messages", { conversation, kind: "live", messages: [message] });
    }
    if (counts) this.#chat.emit("arrived", { conversation, message });
    if (counts && message.until !== undefined) this.#await(message.until);
    this.#chat.emit("list", null);
  }

  /** @param {{id: string, seq: number, at: number}} sent */
  #sent({ id, seq, at }) {
    const pending = this.#chat.outbox.remove(id);
    if (pending === undefined) return;
    const { to, text, re, answer, choices, seconds } = pending;
    const until = seconds === undefined ? undefined : at + seconds * 1000;
    if (this.#liveSince < pending.at && pending.at <= Date.now()) this.#setClock(at); // it was not sent before
    /** @type {Message} */
    const message = { t: "message", seq, id, from: this.#chat.me, to, text, at, re, answer, choices, until };
    this.#chat.emit("sent", { pending, message });
    this.#put(message);
  }

  /** @param {{code: string, text: string, id?: string}} error */
  #error({ code, text, id }) {
    if (id === undefined) {
      // Only what nobody has asked for has neither an id nor a number: a `read` of somebody whose name is nobody's now.
      if (code === "unknown_user") return;
      this.#chat.emit("notice", { text, failed: true });
      return;
    }
    const pending = this.#chat.outbox.refused(id, code, text);
    if (pending === undefined) return;
    const conversation = this.#chat.state.conversation(pending.to);
    if (pending.answer !== undefined && pending.re !== undefined) {
      conversation.refusals.set(pending.re, text);
      this.#chat.discard(pending.id);
      this.#chat.emit("question", { conversation, seq: pending.re });
    } else {
      this.#chat.emit("pending", { conversation, pending, gone: false });
    }
  }

  /** @param {{to: string, count: number, before: number}} skipped */
  #skipped({ to, count }) {
    const conversation = this.#chat.state.conversation(to);
    conversation.atEnd = false; // what is loaded is before the hole
    conversation.unread += count;
    this.count();
  }

  /** @param {{seq: number, of?: string, back?: boolean}} read */
  #read({ seq, of, back = false }) {
    const { state } = this.#chat;
    const concerned = of === undefined ? [...state.conversations.values()] : [state.conversation(of)];
    for (const conversation of concerned) state.readUpTo(conversation, seq, back);
    this.count();
    this.#chat.emit("list", null);
  }

  /** @param {Receipt} receipt */
  #receipt(receipt) {
    this.#chat.emit("receipts", this.#chat.state.receipt(receipt));
  }

  /** @param {Happened} happened */
  #happened(happened) {
    const conversation = this.#chat.state.happened(happened);
    if (happened.what !== "joined" && happened.what !== "left") {
      const seq = Math.max(conversation.newest, conversation.notes.at(-1)?.seq ?? 0) + 2 ** -10;
      this.#note(conversation, { seq, at: Date.now(), happened });
    }
    const again = happened.what === "joined" && happened.user === this.#chat.me;
    if (again) this.count();
    if (conversation === this.#chat.current) void this.#chat.learn(conversation, again);
    this.#chat.emit("room", conversation);
    this.#chat.emit("list", null);
    this.#chat.emit("happened", happened);
  }

  /** @param {NameChange} change */
  #renewed(change) {
    this.#chat.names.add(change);
    this.#advance(change.seq);
    const conversation = this.#chat.state.conversations.get(change.user);
    if (conversation !== undefined) this.#note(conversation, { seq: change.seq, at: change.at, change });
    this.#chat.emit("renewed", change);
  }

  /**
   * @param {Conversation} conversation
   * @param {Note} note
   */
  #note(conversation, note) {
    if (conversation.addNotes([note]).length) this.#chat.emit("note", conversation);
  }

  /** Acknowledge what has come, soon: nothing of it has to come again. */
  acknowledge() {
    if (this.#ackTimer) return;
    this.#ackTimer = setTimeout(() => {
      this.#ackTimer = 0;
      this.#connection.send({ t: "ack", seq: this.#chat.state.cursor });
    }, ACK_AFTER);
  }

  /**
   * Ask for the unread counts when a question is over: it is unread no more.
   *
   * @param {number} [until]
   */
  #await(until) {
    const now = this.#chat.now();
    if (until !== undefined) this.#ends.push(until);
    else if (this.#ends.some((end) => end < now)) this.count();
    this.#ends = this.#ends.filter((end) => end >= now);
    clearTimeout(this.#endTimer);
    const left = Math.min(...this.#ends) - now + OVER_AFTER;
    if (left < Infinity) this.#endTimer = setTimeout(() => this.#await(), Math.min(left, LONGEST_TIMER));
  }

  /** Ask for the unread counts, soon. */
  count() {
    clearTimeout(this.#countTimer);
    this.#countTimer = setTimeout(() => void this.#ask(), COUNT_AFTER);
  }

  async #ask() {
    const { state } = this.#chat;
    const { cursor, moves } = state;
    try {
      const { conversations } = await this.#connection.request({ t: "unread" });
      if (moves !== state.moves) return this.count();
      const counts = new Map(conversations.map((/** @type {{of: string}} */ info) => [info.of, info]));
      for (const of of counts.keys()) state.conversation(of);
      for (const one of state.conversations.values()) {
        const { count = 0, mentions = 0, seq = 0 } = counts.get(one.of) ?? {};
        one.count(count, mentions, Math.max(seq, cursor));
        one.expire(this.#chat.now());
      }
      this.#chat.emit("list", null);
    } catch (error) {
      this.#chat.failed(error);
    }
  }
}
