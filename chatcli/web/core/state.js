/** What is known of the chat: conversations, people, rooms. Frames come in, changes come out; no DOM, no network. */

import { Conversation } from "./conversation.js";
import { mentions } from "./mentions.js";
import { isRoom } from "./frames.js";

export { Conversation };

/** @import { ConversationInfo, Happened, Message, Person, Receipt, Welcome } from "./frames.js" */

/** Everything that is known of the chat. */
export class State {
  constructor() {
    this.me = "";
    /** @type {Map<string, Conversation>} */
    this.conversations = new Map();
    /** People whose presence is known. @type {Map<string, Person>} */
    this.people = new Map();
    /** Rooms that I belong to. @type {Set<string>} */
    this.rooms = new Set();
    /** Rooms that I may enter by invitation. @type {Set<string>} */
    this.invited = new Set();
    this.limits = { text: 32_768, frame: 65_536, silence: 60 };
    this.server = "";
    this.epoch = "";
    /** `seq` of the last frame of the feed: where a lost connection goes on. */
    this.cursor = 0;
    /** Changes whenever something was read: a count that was asked for before is old. */
    this.moves = 0;
    /** ms by which the server's clock is ahead of this machine's. */
    this.offset = 0;
  }

  /**
   * Return a conversation, which is made if it is not known.
   *
   * @param {string} of
   */
  conversation(of) {
    let found = this.conversations.get(of);
    if (found === undefined) {
      found = new Conversation(of);
      this.conversations.set(of, found);
    }
    return found;
  }

  /** Every conversation that is listed: rooms that I belong to, and people with whom there are messages. */
  get listed() {
    return [...this.conversations.values()].filter((one) =>
      one.isRoom ? this.rooms.has(one.of) : one.last !== null || one.messages.length > 0,
    );
  }

  /**
   * Return the name of a room or a person as the server writes it, in whatever case it is given; empty if it is not known
   * here.
   *
   * @param {string} name
   */
  known(name) {
    const folded = name.toLowerCase();
    for (const names of [this.conversations.keys(), this.people.keys(), this.rooms]) {
      for (const one of names) if (one.toLowerCase() === folded) return one;
    }
    for (const { messages } of this.conversations.values()) {
      const found = messages.find(({ from }) => from.toLowerCase() === folded);
      if (found) return found.from;
    }
    return "";
  }

  /**
   * Take in a welcome; return whether the log is another one than before, so that all numbers mean something else.
   *
   * @param {Welcome} welcome
   */
  welcome(welcome) {
    const restored = this.epoch !== "" && welcome.epoch !== this.epoch;
    if (restored) this.conversations.clear();
    this.me = welcome.user;
    this.server = welcome.server;
    this.limits = welcome.limits;
    this.epoch = welcome.epoch;
    this.cursor = welcome.cursor;
    this.rooms = new Set(welcome.rooms);
    this.invited = new Set(welcome.invited);
    for (const room of welcome.rooms) this.conversation(room).read ||= welcome.read;
    return restored;
  }

  /**
   * Take in the list of conversations.
   *
   * @param {ConversationInfo[]} infos
   */
  list(infos) {
    for (const info of infos) {
      const one = this.conversation(info.of);
      if (info.last && info.last.seq > one.newest) one.last = info.last;
      one.read = info.read ?? 0;
      one.count(info.unread ?? 0, info.mentions ?? 0, info.last?.seq ?? 0);
    }
  }

  /**
   * Take in a message of the feed, or one of mine that the server has.
   *
   * @param {Message} message
   * @returns {{conversation: Conversation, shown: boolean, counts: boolean}} `shown`: it belongs to those that are
   *   loaded; `counts`: it is unread
   */
  message(message) {
    const conversation = this.conversation(this.place(message));
    conversation.settle(message);
    const fresh = message.seq > conversation.newest;
    if (fresh) conversation.last = message;
    // An old message of mine, sent again, may belong before those that are loaded.
    const within = conversation.atStart || message.seq > (conversation.messages[0]?.seq ?? 0);
    const shown = conversation.atEnd && within && conversation.insert([message]).length > 0;
    const theirs = message.from !== this.me;
    // The server acknowledges mine before it passes on what others have said just before.
    const unheard = theirs && message.seq > conversation.heard;
    if (theirs) conversation.heard = Math.max(conversation.heard, message.seq);
    const counts = unheard && message.seq > conversation.read && message.answer === undefined;
    if (counts) {
      const mention = conversation.isRoom && mentions(message.text, this.me);
      conversation.arrived({ seq: message.seq, mention });
      if (message.choices !== undefined) conversation.questions.set(message.seq, message.until ?? Infinity);
    }
    return { conversation, shown, counts };
  }

  /**
   * Return the conversation that a message belongs to.
   *
   * @param {Message} message
   */
  place(message) {
    return isRoom(message.to) || message.from === this.me ? message.to : message.from;
  }

  /**
   * Take in that I have read a conversation, here or elsewhere; return whether the count must be asked for.
   *
   * @param {Conversation} conversation
   * @param {number} seq
   * @param {boolean} back
   */
  readUpTo(conversation, seq, back = false) {
    if (seq <= conversation.read && !back) return false;
    conversation.read = seq;
    this.moves += 1;
    if (seq >= conversation.newest) {
      conversation.arrivals = [];
      conversation.unread = conversation.mentions = 0;
      conversation.questions.clear();
      return false;
    }
    return true;
  }

  /**
   * Take in a receipt.
   *
   * @param {Receipt} receipt
   */
  receipt(receipt) {
    const conversation = this.conversation(receipt.to || receipt.user);
    const before = conversation.receipts.get(receipt.user);
    conversation.receipts.set(receipt.user, {
      ...receipt,
      since: receipt.since ?? before?.since ?? 0,
      received: Math.max(receipt.received ?? 0, before?.received ?? 0, receipt.seq),
    });
    return conversation;
  }

  /**
   * Take in who came, left, or is away.
   *
   * @param {{here?: string[], gone?: string[], away?: Person[]}} presence
   */
  presence({ here = [], gone = [], away = [] }) {
    const now = Date.now();
    for (const user of here) this.people.set(user, { user, since: now, state: "here" });
    for (const user of gone) this.people.set(user, { user, since: now, state: "gone" });
    for (const person of away) this.people.set(person.user, person);
  }

  /**
   * Take in what has happened in a room; return its conversation.
   *
   * @param {Happened} happened
   */
  happened({ room, what, user, text }) {
    const conversation = this.conversation(room);
    if (user === this.me) {
      if (what === "invited") this.invited.add(room);
      if (what === "uninvited" || what === "joined") this.invited.delete(room);
      if (what === "joined") this.rooms.add(room);
      if (what === "left" || what === "kicked" || what === "banned") {
        this.rooms.delete(room);
        conversation.unload();
      }
    }
    if (what === "topic" && conversation.room) conversation.room.topic = text ?? "";
    return conversation;
  }
}
