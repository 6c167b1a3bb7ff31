/** One conversation, as far as this page has it. */

import { isRoom, MANY } from "./frames.js";

/** @import { Happened, Message, NameChange, Receipt, RoomInfo } from "./frames.js" */

const MOST_HELD = 200; // messages of a conversation that is not open
const MOST_NOTES = 200; // quiet lines in a conversation

/**
 * A place in a timeline: a message, and how far below the upper edge it is, in pixels.
 *
 * @typedef {{seq: number, offset: number}} Place
 */

/**
 * A quiet line among messages. Its `seq` has a fraction if it has no place in the log.
 *
 * @typedef {{seq: number, at: number, change?: NameChange, happened?: Happened}} Note
 */

/** An unread message. @typedef {{seq: number, mention: boolean}} Arrival */

/** A room, or the messages between two people, as far as this page has it. */
export class Conversation {
  /** @param {string} of the room or the person */
  constructor(of) {
    this.of = of;
    this.isRoom = isRoom(of);
    /** A stretch of the log without holes, the oldest first. @type {Message[]} */
    this.messages = [];
    /** Whether `messages` has been read from the server. */
    this.loaded = false;
    /** Whether nothing is before `messages`. */
    this.atStart = false;
    /** Whether nothing is after `messages`, so that new ones are put behind. */
    this.atEnd = false;
    /** The newest message; its text may be cut. @type {Message | null} */
    this.last = null;
    this.unread = 0;
    this.mentions = 0;
    /** Unread messages that were counted here, of which a count of the server may not know. @type {Arrival[]} */
    this.arrivals = [];
    /** The ends of unread questions, by their `seq`, as far as this page has seen them come. @type {Map<number, number>} */
    this.questions = new Map();
    /** Whether something is written here and not sent. */
    this.draft = false;
    /** `seq` of the newest message of somebody else that was counted, or is counted by the server. */
    this.heard = 0;
    /** `seq` up to which I have read. */
    this.read = 0;
    /** `seq` after which the line "new" stands while the conversation is open. @type {number | null} */
    this.marker = null;
    /** Whether somebody has marked messages as unread, so that seeing them does not mark them as read. */
    this.held = false;
    /** The place of the reader on leaving; null for the end. @type {Place | null} */
    this.place = null;
    /** Changes of names, and what happened in the room while the page was open. @type {Note[]} */
    this.notes = [];
    /** Changes when all messages are dropped. */
    this.generation = 0;
    /** @type {RoomInfo | null} */
    this.room = null;
    /** Whether the server has no such room, or none that I may see. */
    this.missing = false;
    /** The read positions of others. @type {Map<string, Receipt>} */
    this.receipts = new Map();
    /** Answers by the `seq` of their questions; -1 if declined, or withdrawn. @type {Map<number, Message>} */
    this.answers = new Map();
    /** Why an answer of mine was refused, by the `seq` of the question. @type {Map<number, string>} */
    this.refusals = new Map();
  }

  /**
   * Take in the answer to a question, if the message is one. The first one holds.
   *
   * @param {Message} message
   */
  settle(message) {
    if (message.answer === undefined || message.re === undefined) return;
    this.questions.delete(message.re);
    const before = this.answers.get(message.re);
    if (before === undefined || message.seq < before.seq) this.answers.set(message.re, message);
  }

  /**
   * Count an unread message.
   *
   * @param {Arrival} arrival
   */
  arrived(arrival) {
    this.arrivals.push(arrival);
    this.arrivals.splice(0, this.arrivals.length - MANY);
    this.unread = Math.min(MANY, this.unread + 1);
    this.mentions += Number(arrival.mention);
  }

  /**
   * Take in a count of the server, to which messages are added that have come since.
   *
   * @param {number} unread
   * @param {number} mentions
   * @param {number} upto `seq` up to which the server has counted
   */
  count(unread, mentions, upto) {
    this.heard = Math.max(this.heard, upto);
    this.arrivals = this.arrivals.filter(({ seq }) => seq > Math.max(upto, this.read));
    this.unread = Math.min(MANY, unread + this.arrivals.length);
    if (this.unread === 0) this.questions.clear();
    this.mentions = mentions + this.arrivals.filter(({ mention }) => mention).length;
  }

  /** Whether an open question is among the unread messages. */
  get asked() {
    return this.questions.size > 0;
  }

  /**
   * Forget questions that are read or over.
   *
   * @param {number} now by the server's clock
   */
  expire(now) {
    for (const [seq, until] of this.questions) if (seq <= this.read || until < now) this.questions.delete(seq);
  }

  /** `seq` of the newest message that is known, or 0. */
  get newest() {
    return Math.max(this.last?.seq ?? 0, this.messages.at(-1)?.seq ?? 0);
  }

  /**
   * Return the index of a message, or the one it would have.
   *
   * @param {number} seq
   */
  #index(seq) {
    let low = 0;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (/** @type {Message} */ (this.messages[middle]).seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Return a message that is loaded, or undefined.
   *
   * @param {number} seq
   */
  find(seq) {
    const found = this.messages[this.#index(seq)];
    return found?.seq === seq ? found : undefined;
  }

  /**
   * Put messages into their places; return those that are new here.
   *
   * @param {Message[]} messages
   */
  insert(messages) {
    // Those that were heard while a page was read may be in it, too; and mine may come before others that are older.
    const found = new Map(messages.map((message) => [message.seq, message]));
    const fresh = [...found.values()].filter(({ seq }) => this.find(seq) === undefined).sort((a, b) => a.seq - b.seq);
    const first = fresh[0];
    const last = fresh.at(-1);
    if (first === undefined || last === undefined) return fresh;
    for (const message of fresh) this.settle(message);
    if (first.seq > (this.messages.at(-1)?.seq ?? 0)) this.messages.push(...fresh);
    else if (last.seq < (this.messages[0]?.seq ?? 0)) this.messages.unshift(...fresh);
    else for (const message of fresh) this.messages.splice(this.#index(message.seq), 0, message);
    return fresh;
  }

  /**
   * Put quiet lines into their places; return those that are new here.
   *
   * @param {Note[]} notes
   */
  addNotes(notes) {
    const fresh = notes.filter((note) => !this.notes.some((known) => known.seq === note.seq));
    this.notes.push(...fresh);
    this.notes.sort((a, b) => a.seq - b.seq);
    this.notes.splice(0, this.notes.length - MOST_NOTES);
    return fresh;
  }

  /**
   * Return whether the messages are loaded that are to be seen first.
   *
   * @param {number} [seq] of a message; without it, the first unread one or the newest
   */
  covers(seq) {
    const first = this.messages[0]?.seq;
    const last = this.messages.at(-1)?.seq;
    if (!this.loaded) return false;
    if (first === undefined || last === undefined) return this.atStart && this.atEnd;
    if (seq !== undefined) return (this.atStart || first <= seq) && (this.atEnd || seq <= last);
    if (this.unread === 0) return this.atEnd;
    return (this.atStart || first <= this.read + 1) && (this.atEnd || last > this.read);
  }

  /** Drop all messages, which are read again when they are wanted; what is being read of them is dropped, too. */
  unload() {
    this.messages = [];
    this.loaded = this.atStart = this.atEnd = false;
    this.generation += 1;
  }

  /**
   * Drop the oldest messages.
   *
   * @param {number} count
   */
  dropOldest(count) {
    if (count <= 0) return;
    this.messages.splice(0, count);
    this.atStart = false;
  }

  /**
   * Drop the newest messages.
   *
   * @param {number} count
   */
  dropNewest(count) {
    if (count <= 0) return;
    this.messages.splice(-count);
    this.atEnd = false;
  }

  /** Drop what need not be kept of a conversation that is not open: all but the messages around its place. */
  trim() {
    if (this.messages.length <= MOST_HELD) return;
    const after = this.place === null ? 0 : this.messages.length - this.#index(this.place.seq) - MOST_HELD / 2;
    this.dropNewest(after);
    this.dropOldest(this.messages.length - MOST_HELD);
  }
}
