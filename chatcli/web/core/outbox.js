/** Messages that the server has yet to acknowledge: kept on disk, and said again, in order, under the same ids. */

import { newId } from "./ids.js";

/** @import { Storage } from "./storage.js" */

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
 * @property {string} [failure] why the server refuses it; such a message stays until somebody decides
 */

export class Outbox {
  #storage;
  /** @type {Map<string, Pending>} */
  #pending = new Map();

  /** @param {Storage} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /**
   * Read what was left by a former page, or another one that is open.
   *
   * @param {string} user
   */
  async load(user) {
    for (const pending of await this.#storage.all("outbox")) {
      if (pending.user === user && !this.#pending.has(pending.id)) this.#pending.set(pending.id, pending);
    }
  }

  /** All messages, the oldest first. */
  get all() {
    return [...this.#pending.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Return the messages to a place, the oldest first.
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
   * Add a message; it is on disk, as far as this browser has one, when the promise is kept.
   *
   * @param {Omit<Pending, "id" | "at">} message
   * @returns {Pending}
   */
  add(message) {
    const pending = { ...message, id: newId(), at: Date.now() };
    this.#pending.set(pending.id, pending);
    void this.#storage.put("outbox", pending.id, pending);
    return pending;
  }

  /**
   * Keep why the server refuses a message.
   *
   * @param {string} id
   * @param {string} failure
   */
  fail(id, failure) {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    pending.failure = failure;
    void this.#storage.put("outbox", id, pending);
    return pending;
  }

  /**
   * Forget a message: the server has it, or its author has dropped it.
   *
   * @param {string} id
   */
  remove(id) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    void this.#storage.delete("outbox", id);
    return pending;
  }
}

/**
 * Return the frame that says a pending message.
 *
 * @param {Pending} pending
 */
export function sendFrame({ id, to, text, re, answer, choices, seconds }) {
  return { t: "send", id, to, text: answer === undefined ? text : undefined, re, answer, choices, seconds };
}
