/** Reading a conversation back from the server: from the line "new", from a permalink, older, newer. */

import { LAST_SEQ, PAGE } from "./frames.js";

/** @import { Connection } from "../transport/connection.js" */
/** @import { Message, NameChange } from "./frames.js" */
/** @import { Conversation } from "./state.js" */

const CONTEXT = 30; // messages before the one at which a conversation is opened
const MOST_WAITING = 5000; // live messages that come while the newest page is read
const MOST_QUOTED = 500; // messages that are known only because others answer them

/** @typedef {{of: string, messages: Message[], more: boolean, changes?: NameChange[]}} Page */

/** Reads the history of conversations. One page at a time is read of each. */
export class History {
  #connection;
  /** Live messages of conversations whose newest page is being read. @type {Map<Conversation, Message[]>} */
  #live = new Map();
  /** @type {Set<Conversation>} */
  #reading = new Set();
  /**
   * Messages that were asked for one by one, by conversation and `seq`; null for those that are not to be had there.
   *
   * @type {Map<string, Message | null>}
   */
  #quoted = new Map();

  /** @param {Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** Forget what was quoted: numbers mean something else in another log. */
  forget() {
    this.#quoted.clear();
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
   * Read a conversation anew; what is being read of it is dropped.
   *
   * @param {Conversation} conversation
   * @param {number} [at] `seq` to open it at, LAST_SEQ for the end; without it, at the first unread message
   * @returns {Promise<string>} how the server writes its name
   */
  async load(conversation, at) {
    conversation.unload();
    const unread = conversation.unread > PAGE - CONTEXT ? conversation.read + 1 : LAST_SEQ;
    const from = Math.max(1, Math.floor(at ?? unread)); // a quiet line has a fraction, and none precedes the first
    const { generation } = conversation;
    const newest = this.#newest(conversation, from === LAST_SEQ ? {} : { after: from - 1, forward: true });
    const before = from === LAST_SEQ ? null : this.#ask(conversation, { before: from, limit: CONTEXT });
    const [page, context] = await Promise.all([newest, before]);
    if (generation !== conversation.generation) return conversation.of;
    conversation.insert([...(context?.messages ?? []), ...page.messages]);
    conversation.atStart = !(context ?? page).more;
    conversation.atEnd = page.whole;
    conversation.loaded = true;
    addChanges(conversation, context);
    addChanges(conversation, page);
    return page.of;
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
      const page = await this.#ask(conversation, { before: first.seq });
      if (conversation.messages[0] === first) conversation.atStart = !page.more;
      return conversation.messages[0] === first ? page : null;
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
      const page = await this.#newest(conversation, { after: last.seq, forward: true });
      if (conversation.messages.at(-1) === last) conversation.atEnd = page.whole;
      return conversation.messages.at(-1) === last ? page : null;
    });
  }

  /**
   * Return one message of a conversation, or null if it cannot be read.
   *
   * @param {Conversation} conversation
   * @param {number} seq
   * @returns {Promise<Message | null>}
   */
  async message(conversation, seq) {
    const key = `${seq} ${conversation.of}`;
    const known = conversation.find(seq) ?? this.#quoted.get(key);
    if (known !== undefined) return known;
    const { messages } = await this.#ask(conversation, { after: seq - 1, before: seq + 1, limit: 1 });
    const found = messages[0] ?? null;
    this.#quoted.set(key, found);
    const oldest = this.#quoted.keys().next().value;
    if (this.#quoted.size > MOST_QUOTED && oldest !== undefined) this.#quoted.delete(oldest);
    return found;
  }

  /**
   * Read a page that may be the newest; what comes live meanwhile is put behind it.
   *
   * @param {Conversation} conversation
   * @param {Record<string, any>} fields
   * @returns {Promise<Page & {whole: boolean}>} `whole`: nothing is after it
   */
  async #newest(conversation, fields) {
    /** @type {Message[]} */
    const live = [];
    this.#live.set(conversation, live);
    try {
      const page = await this.#ask(conversation, fields);
      const whole = (!fields.forward || !page.more) && live.length <= MOST_WAITING;
      return { ...page, messages: whole ? [...page.messages, ...live] : page.messages, whole };
    } finally {
      if (this.#live.get(conversation) === live) this.#live.delete(conversation);
    }
  }

  /**
   * Run one reading of a conversation, unless there is one, and put in what it brings.
   *
   * @param {Conversation} conversation
   * @param {() => Promise<Page | null>} read returns null if what was beside the page has gone meanwhile
   * @returns {Promise<Message[]>} those that are new
   */
  async #alone(conversation, read) {
    if (this.#reading.has(conversation)) return [];
    this.#reading.add(conversation);
    try {
      const page = await read();
      if (page === null) return [];
      addChanges(conversation, page);
      return conversation.insert(page.messages);
    } finally {
      this.#reading.delete(conversation);
    }
  }

  /**
   * @param {Conversation} conversation
   * @param {Record<string, any>} fields
   * @returns {Promise<Page>}
   */
  #ask(conversation, fields) {
    return this.#connection.request({ t: "history", of: conversation.of, limit: PAGE, ...fields });
  }
}

/**
 * @param {Conversation} conversation
 * @param {Page | null} page
 */
function addChanges(conversation, page) {
  const changes = page?.changes ?? [];
  if (changes.length) conversation.addNotes(changes.map((change) => ({ seq: change.seq, at: change.at, change })));
}
