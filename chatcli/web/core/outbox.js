/** Messages that the server has yet to acknowledge: kept on disk, and sent again, in order, under the same ids. */

import { goOnAfter, newId } from "./ids.js";

/** @import { Storage } from "../storage/storage.js" */

const MOST_ON_WIRE = 50; // messages that the server has yet to acknowledge
const AGAIN_AFTER = 5000; // ms until messages are sent again that the server could not take

/** Errors that pass by themselves. */
const PASSING = new Set(["storage", "too_many", "full"]);

/**
 * A message of mine that is not in the log, as far as is known.
 *
 * @typedef {object} Pending
 * @property {string} id
 * @property {string} user whose message it is
 * @property {string} to
 * @property {string} text
 * @property {number} at when it was written, by this machine's clock
 * @property {number} [re]
 * @property {number} [answer]
 * @property {string[]} [choices]
 * @property {number} [seconds]
 * @property {string} [epoch] the log that `re` belongs to
 * @property {string} [failure] why the server refuses it; such a message stays until somebody decides
 */

/** The content of a message, and its recipient. @typedef {Omit<Pending, "id" | "at" | "user" | "failure">} Said */

export class Outbox {
  #storage;
  #send;
  #held;
  /** In the order in which they are sent. @type {Map<string, Pending>} */
  #pending = new Map();
  /** Ids of messages that were sent on this connection. @type {Set<string>} */
  #wire = new Set();
  /** Ids of messages that another page, or a former one, has written. @type {Set<string>} */
  #foreign = new Set();
  #open = false;
  #pause = 0;

  /**
   * @param {Storage} storage
   * @param {(frame: Record<string, any>) => boolean} send a frame, or return that it cannot be sent now
   * @param {(pending: Pending) => boolean} held whether a message waits for somebody's word
   */
  constructor(storage, send, held) {
    this.#storage = storage;
    this.#send = send;
    this.#held = held;
  }

  /** All messages, in the order in which they are sent. */
  get all() {
    return [...this.#pending.values()];
  }

  /**
   * Return the messages to a place, in their order.
   *
   * @param {string} to
   */
  to(to) {
    return this.all.filter((pending) => pending.to === to);
  }

  /** @param {string} id */
  get(id) {
    return this.#pending.get(id);
  }

  /**
   * Read what was left by a former page, or is waiting in another one; return whether anything has changed.
   *
   * @param {string} user
   */
  async load(user) {
    const kept = new Map();
    for (const pending of await this.#storage.all("outbox")) {
      if (pending?.user === user && typeof pending.id === "string") kept.set(pending.id, pending);
    }
    const gone = [...this.#foreign].filter((id) => !kept.has(id) && !this.#wire.has(id));
    for (const id of gone) this.#forget(id);
    const found = [...kept.values()].filter(({ id }) => !this.#pending.has(id));
    for (const pending of found) {
      this.#foreign.add(pending.id);
      this.#pending.set(pending.id, pending);
      goOnAfter(pending.id);
    }
    if (found.length) this.#pending = new Map([...this.#pending].sort(([a], [b]) => (a < b ? -1 : 1)));
    return found.length + gone.length > 0;
  }

  /** Send no more, as the connection is lost: what was on its way may not have arrived. */
  close() {
    clearTimeout(this.#pause);
    this.#pause = 0;
    this.#open = false;
    this.#wire.clear();
  }

  /**
   * Send all messages, on a new connection.
   *
   * @param {string} epoch of the server's log
   * @param {(pending: Pending) => boolean} holds whether the message that one refers to is in that log
   */
  open(epoch, holds) {
    for (const pending of this.#pending.values()) {
      if (pending.re === undefined || pending.epoch === epoch) continue;
      if (!holds(pending)) this.#unlink(pending);
      pending.epoch = epoch;
      this.#keep(pending);
    }
    this.#open = true;
    this.flush();
  }

  /**
   * Drop the reference to a message that a restored log does not have.
   *
   * @param {Pending} pending
   */
  #unlink(pending) {
    if (pending.answer !== undefined) {
      pending.failure ??= "The server was restored from a backup, and the question is gone.";
    } else {
      pending.re = undefined;
    }
  }

  /** Send as many messages as may be under way. */
  flush() {
    if (!this.#open || this.#pause) return;
    for (const pending of this.#pending.values()) {
      if (this.#wire.size >= MOST_ON_WIRE) return;
      if (pending.failure !== undefined || this.#wire.has(pending.id) || this.#held(pending)) continue;
      if (!this.#send(sendFrame(pending))) return;
      this.#wire.add(pending.id);
    }
  }

  /**
   * Add a message, and send it when its turn comes.
   *
   * @param {Said & {user: string}} said
   * @returns {Pending}
   */
  add(said) {
    const pending = { ...said, id: newId(), at: Date.now() };
    this.#pending.set(pending.id, pending);
    this.#keep(pending);
    this.flush();
    return pending;
  }

  /**
   * Take in that the server has refused a message; return it if somebody has to decide what becomes of it.
   *
   * @param {string} id
   * @param {string} code
   * @param {string} text
   */
  refused(id, code, text) {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#wire.delete(id);
    if (PASSING.has(code)) {
      this.#wait();
      return undefined;
    }
    pending.failure = text;
    this.#keep(pending);
    this.flush();
    return pending;
  }

  /** Send nothing for a while, and then all again, so that the order stays. */
  #wait() {
    if (this.#pause) return;
    this.#pause = setTimeout(() => {
      this.#pause = 0;
      this.flush();
    }, AGAIN_AFTER);
  }

  /**
   * Forget a message: the server has it, or its author has dropped it.
   *
   * @param {string} id
   */
  remove(id) {
    const pending = this.#forget(id);
    if (pending !== undefined) void this.#storage.delete("outbox", id);
    this.flush();
    return pending;
  }

  /** @param {string} id */
  #forget(id) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    this.#wire.delete(id);
    this.#foreign.delete(id);
    return pending;
  }

  /** @param {Pending} pending */
  #keep(pending) {
    void this.#storage.put("outbox", pending.id, { ...pending });
  }
}

/**
 * Return the frame of a pending message.
 *
 * @param {Pending} pending
 */
export function sendFrame({ id, to, text, re, answer, choices, seconds }) {
  return { t: "send", id, to, text: answer === undefined ? text : undefined, re, answer, choices, seconds };
}
