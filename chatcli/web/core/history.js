/** Reading a conversation back from the server: from the line "new", from a permalink, older, newer. */

import { PAGE } from "./frames.js";

/** @import { Connection } from "./connection.js" */
/** @import { Message } from "./frames.js" */
/** @import { Conversation } from "./state.js" */

const CONTEXT = 30; // messages before the one at which a conversation is opened
const MOST_WAITING = 500; // live messages that come while the newest page is read

/** Reads the history of conversations. One page at a time is read of each. */
export class History {
  #connection;
  /** Live messages of conversations whose newest page is being read. @type {Map<Conversation, Message[]>} */
  #live = new Map();
  /** @type {Map<Conversation, Promise<Message[]>>} */
  #reading = new Map();

  /** @param {Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /**
   * Keep a live message of a conversation whose newest page is being read.
   *
   * @param {Conversation} conversation
   * @param {Message} message
   */
  keep(conversation, message) {
    this.#live.get(conversation)?.push(message);
  }

  /**
   * Read a conversation anew, around the first unread message, or around a given one.
   *
   * @param {Conversation} conversation
   * @param {number} [at] `seq` to open it at
   */
  async load(conversation, at) {
    conversation.unload();
    await this.#alone(conversation, async () => {
      const from = at ?? (conversation.unread > PAGE - CONTEXT ? conversation.read + 1 : 0);
      if (from === 0) {
        const page = await this.#newest(conversation, { limit: PAGE });
        conversation.atStart = !page.more;
        conversation.loaded = true;
        return page.messages;
      }
      const before = await this.#ask(conversation, { before: from, limit: CONTEXT });
      const after = await this.#newest(conversation, { after: from - 1, forward: true, limit: PAGE });
      conversation.insert(before.messages);
      conversation.atStart = !before.more;
      conversation.loaded = true;
      return after.messages;
    });
  }

  /**
   * Read the page before the oldest message; return what it has.
   *
   * @param {Conversation} conversation
   */
  async older(conversation) {
    const first = conversation.messages[0];
    if (conversation.atStart || first === undefined) return [];
    return this.#alone(conversation, async () => {
      const page = await this.#ask(conversation, { before: first.seq, limit: PAGE });
      conversation.atStart = !page.more;
      return page.messages;
    });
  }

  /**
   * Read the page after the newest message; return what it has.
   *
   * @param {Conversation} conversation
   */
  async newer(conversation) {
    const last = conversation.messages.at(-1);
    if (conversation.atEnd || last === undefined) return [];
    return this.#alone(conversation, async () => {
      const page = await this.#newest(conversation, { after: last.seq, forward: true, limit: PAGE });
      return page.messages;
    });
  }

  /**
   * Read a page that may be the newest; what comes live meanwhile is put behind it.
   *
   * @param {Conversation} conversation
   * @param {Record<string, any>} fields
   */
  async #newest(conversation, fields) {
    this.#live.set(conversation, []);
    try {
      const page = await this.#ask(conversation, fields);
      const live = this.#live.get(conversation) ?? [];
      const whole = !fields.forward || !page.more;
      if (whole && live.length <= MOST_WAITING) {
        conversation.atEnd = true;
        page.messages.push(...live);
      }
      return page;
    } finally {
      this.#live.delete(conversation);
    }
  }

  /**
   * Run one reading of a conversation after the others, and put in what it brings.
   *
   * @param {Conversation} conversation
   * @param {() => Promise<Message[]>} read
   * @returns {Promise<Message[]>} those that are new
   */
  async #alone(conversation, read) {
    const before = this.#reading.get(conversation);
    if (before !== undefined) {
      await before.catch(() => []);
      return [];
    }
    const reading = read().then((messages) => conversation.insert(messages));
    this.#reading.set(conversation, reading);
    try {
      return await reading;
    } finally {
      this.#reading.delete(conversation);
    }
  }

  /**
   * @param {Conversation} conversation
   * @param {Record<string, any>} fields
   * @returns {Promise<{messages: Message[], more: boolean}>}
   */
  #ask(conversation, fields) {
    return this.#connection.request({ t: "history", of: conversation.of, ...fields });
  }
}
