/** The chat as the views see it: what is known, what can be done, and what has changed. No DOM. */

import { Drafts } from "../storage/drafts.js";
import { Emitter } from "./emitter.js";
import { isRoom, LAST_SEQ, PAGE, Refused } from "./frames.js";
import { History } from "./history.js";
import { newId } from "./ids.js";
import { isSame, Names } from "./names.js";
import { Outbox } from "./outbox.js";
import { Receiver } from "./receiver.js";
import { State } from "./state.js";

/** @import { Connection, Phase } from "../transport/connection.js" */
/** @import { Happened, Message, NameChange, RoomInfo, Welcome } from "./frames.js" */
/** @import { Pending, Said } from "./outbox.js" */
/** @import { Conversation } from "./state.js" */
/** @import { Storage } from "../storage/storage.js" */

const MOST_LISTED = 500; // conversations
const MOST_MISSED = 100; // messages of a room that come again after a lost connection; the rest is history

/**
 * What views listen for. A view draws at most once a frame of the screen, however many events come.
 *
 * @typedef {object} Events
 * @property {Phase} phase of the connection
 * @property {Refused} refused the hello was
 * @property {null} list conversations, their counts, their order
 * @property {Conversation | null} current which conversation is open
 * @property {{conversation: Conversation, kind: "reset" | "older" | "newer" | "live", messages: Message[], at?: number}} messages
 *   `live`: they were just said; `at`: the `seq` that is to be shown, LAST_SEQ for the end
 * @property {Conversation} note there is another quiet line
 * @property {{conversation: Conversation, pending: Pending, gone: boolean}} pending a message of mine that waits
 * @property {{pending: Pending, message: Message}} sent a message of mine is on disk
 * @property {null} outbox many of my messages that wait have changed
 * @property {string} draft what is written in a conversation was read, changed by another tab, or has begun or ended
 * @property {Conversation} receipts
 * @property {null} people
 * @property {{conversation: Conversation, seq: number}} question my answer to it was refused
 * @property {number} clock ms by which the server's clock is ahead of this machine's
 * @property {Conversation} room topic, members, owners
 * @property {{conversation: Conversation, message: Message}} arrived an unread message of somebody else
 * @property {{text: string, failed: boolean}} notice a sentence for the person
 * @property {Happened} happened
 * @property {NameChange} renewed
 */

/** @extends {Emitter<Events>} */
export class Chat extends Emitter {
  #storage;
  #connection;
  #history;
  #receiver;
  #client = newId();
  #name = "";
  /** @type {{invite?: string, link?: string}} */
  #codes = {};
  #receipts = true;
  #caughtUp = false; // with the feed, and so with what has become of names
  /** A conversation that has yet to be shown. @type {{conversation: Conversation, at?: number, busy: boolean} | null} */
  #opening = null;
  /** Pending until the conversations are known, or the connection has ended; null then. @type {Promise<void> | null} */
  #listing = null;
  #listed = () => {};
  /** Positions read without a connection: `seq` by conversation. @type {Map<string, number>} */
  #unsentReads = new Map();

  /**
   * @param {Connection} connection
   * @param {Storage} storage
   * @param {string} device how the key is labelled
   */
  constructor(connection, storage, device) {
    super();
    this.#connection = connection;
    this.#storage = storage;
    this.#history = new History(connection);
    this.#receiver = new Receiver(this, connection, this.#history);
    this.device = device;
    this.state = new State();
    this.names = new Names(storage);
    this.outbox = new Outbox(
      storage,
      (frame) => connection.send(frame),
      ({ to }) => !isRoom(to) && (!this.#caughtUp || this.names.find(to) !== undefined),
    );
    this.drafts = new Drafts(storage, (of) => {
      this.drafted(of, this.drafts.has(of));
      this.emit("draft", of);
    });
    /** @type {Conversation | null} */
    this.current = null;
    connection.on("phase", (phase) => this.#moved(phase));
    connection.on("welcome", (welcome) => void this.#welcome(welcome));
  }

  // Coming in

  /** The state of the connection. */
  get phase() {
    return this.#connection.phase;
  }

  /** The name of whoever is here. */
  get me() {
    return this.state.me || this.#name;
  }

  /**
   * Log in; `welcome` follows as the phase `ready`, a refusal as `refused`.
   *
   * @param {string} name
   * @param {{invite?: string, link?: string}} [codes]
   */
  async login(name, codes = {}) {
    this.#name = name;
    this.#codes = codes;
    this.#receipts = (await this.#storage.get("settings", "receipts")) ?? true;
    await this.names.load(name);
    void this.drafts.load(name);
    this.#connection.start();
  }

  /** The fields of `hello` besides the key. */
  hello() {
    const { cursor, epoch } = this.state;
    return {
      user: this.#name,
      revision: 1,
      present: "attach",
      client: this.#client,
      device: this.device,
      receipts: this.#receipts,
      since: epoch === "" ? LAST_SEQ : cursor,
      epoch: epoch || undefined,
      renewed: this.names.told || undefined,
      newest: MOST_MISSED,
      ...this.#codes,
    };
  }

  /**
   * Let others see what I read, or not; the connection begins anew for it.
   *
   * @param {boolean} receipts
   */
  async setReceipts(receipts) {
    this.#receipts = receipts;
    await this.#storage.put("settings", "receipts", receipts);
    this.#connection.stop();
    this.#connection.start();
  }

  /** Leave; the name stays. */
  leave() {
    this.#connection.stop();
  }

  /** Come back after `leave`, or after the server has closed for good, if somebody was here. */
  resume() {
    if ((this.phase === "idle" || this.phase === "ended") && this.#name !== "") this.#connection.start();
  }

  /** Look at once whether the connection is alive, and whether another page has left something unsent. */
  wake() {
    this.#connection.wake();
    if (this.phase === "ready") void this.#loadOutbox().then(() => this.outbox.flush());
  }

  /**
   * Take in whether somebody looks at the page.
   *
   * @param {boolean} seen
   */
  look(seen) {
    this.#connection.unseen = !seen;
    if (seen) this.wake();
  }

  /** The time by the server's clock. */
  now() {
    return Date.now() + this.state.offset;
  }

  /** Why the connection has ended for good, or the hello was refused. */
  get reason() {
    return this.#connection.reason;
  }

  /** The time of the next attempt, as `Date.now()`. */
  get retryAt() {
    return this.#connection.retryAt;
  }

  /**
   * Return the answer to a request.
   *
   * @param {Record<string, any>} frame
   * @returns {Promise<any>}
   * @throws {Refused | import("./frames.js").Disconnected}
   */
  request(frame) {
    return this.#connection.request(frame);
  }

  /**
   * Send a frame without an answer.
   *
   * @param {Record<string, any>} frame
   */
  send(frame) {
    return this.#connection.send(frame);
  }

  // Conversations

  /**
   * Open a conversation, at the first unread message or at a given one.
   *
   * @param {string | null} of
   * @param {number} [at] `seq`
   */
  async open(of, at) {
    await this.#open(of === null || this.state.conversations.has(of) ? of : this.state.known(of) || of, at);
  }

  /**
   * @param {string | null} of
   * @param {number | undefined} at
   * @param {boolean} [named] whether the server itself has written the name
   */
  async #open(of, at, named = false) {
    const before = this.current;
    const conversation = of === null ? null : this.state.conversation(of);
    const changed = conversation !== before;
    if (conversation !== null && changed) {
      conversation.marker = conversation.unread ? conversation.read : null;
      conversation.held = false;
    }
    this.current = conversation;
    this.emit("current", conversation);
    if (changed) before?.trim(); // the place in it was kept at the event
    if (conversation === null) return;
    // What a lost connection has kept from being shown is shown when it is back.
    const opening = { conversation, at: at ?? (changed ? undefined : this.#opening?.at), busy: true };
    this.#opening = opening;
    try {
      const name = await this.#show(conversation, opening.at, changed);
      if (name !== conversation.of && !named && isSame(name, conversation.of) && this.current === conversation) {
        this.state.conversations.delete(conversation.of);
        await this.#open(name, at, true);
      }
      if (this.#opening === opening && conversation.loaded) this.#opening = null;
    } catch (error) {
      if (!conversation.isRoom || !(error instanceof Refused) || error.code !== "unknown_room")
        return this.failed(error);
      conversation.missing = true;
      this.emit("room", conversation);
    } finally {
      opening.busy = false;
    }
  }

  /**
   * @param {Conversation} conversation
   * @param {number | undefined} at
   * @param {boolean} changed whether another one was open
   * @returns {Promise<string>} its name, as the server writes it, if that was asked
   */
  async #show(conversation, at, changed) {
    const wanted = at ?? conversation.place?.seq;
    if (wanted === undefined && this.#listing !== null) await this.#listing; // what is unread is known then
    if (this.current !== conversation) return conversation.of;
    const held = wanted === LAST_SEQ ? conversation.atEnd : conversation.covers(wanted);
    if (!held && this.phase === "ready") {
      if (conversation.unread) conversation.marker ??= conversation.read;
      const name = await this.#history.load(conversation, wanted);
      if (name !== conversation.of) return name;
    }
    if (this.current !== conversation) return conversation.of;
    if (conversation.loaded && (!held || changed || at !== undefined)) {
      this.emit("messages", { conversation, kind: "reset", messages: conversation.messages, at });
    }
    if (this.phase === "ready") await Promise.all([this.#watch(conversation), this.describe(conversation)]);
    return conversation.of;
  }

  /**
   * Ask for what is new of the open conversation.
   *
   * @param {Conversation} conversation
   * @param {boolean} anew whether I belong to it again, and have not heard what was said
   */
  async learn(conversation, anew) {
    try {
      if (anew && !conversation.loaded) await this.open(conversation.of);
      else await this.describe(conversation);
    } catch (error) {
      this.failed(error);
    }
  }

  /** @param {Conversation} conversation */
  async #watch(conversation) {
    const { people } = await this.request({ t: "receipts", to: conversation.of, watch: true });
    for (const receipt of people) this.state.receipt({ ...receipt, to: receipt.to || conversation.of });
    this.emit("receipts", conversation);
  }

  /**
   * Ask for what is known of a room, or where a person is.
   *
   * @param {Conversation} conversation
   */
  async describe(conversation) {
    if (conversation.isRoom) {
      const { rooms } = await this.request({ t: "rooms", room: conversation.of });
      conversation.room = rooms[0] ?? null;
      conversation.missing = false;
      this.emit("room", conversation);
    } else {
      const { people } = await this.request({ t: "who", to: conversation.of });
      for (const person of people) this.state.people.set(person.user, person);
      this.emit("people", null);
    }
  }

  /** Read the page before the oldest message of the open conversation. */
  async older() {
    await this.#more("older");
  }

  /** Read the page after the newest message of the open conversation. */
  async newer() {
    await this.#more("newer");
  }

  /** @param {"older" | "newer"} kind */
  async #more(kind) {
    const conversation = this.current;
    if (conversation === null || !conversation.loaded || this.phase !== "ready") return;
    try {
      const { atStart, atEnd } = conversation;
      const messages = await this.#history[kind](conversation);
      const moved = messages.length > 0 || atStart !== conversation.atStart || atEnd !== conversation.atEnd;
      if (moved && conversation === this.current) this.emit("messages", { conversation, kind, messages });
    } catch (error) {
      this.failed(error);
    }
  }

  /** Show the newest messages of the open conversation. */
  async toEnd() {
    if (this.current !== null) await this.open(this.current.of, LAST_SEQ);
  }

  /**
   * Return a message that is answered or linked to, or null if it cannot be read now.
   *
   * @param {Conversation} conversation
   * @param {number} seq
   */
  async message(conversation, seq) {
    try {
      return await this.#history.message(conversation, seq);
    } catch {
      return null;
    }
  }

  /**
   * Tell the server, and my other devices, that a conversation was read.
   *
   * @param {Conversation} conversation
   * @param {number} seq up to here
   */
  markRead(conversation, seq) {
    if (seq <= conversation.read) return;
    if (!this.send({ t: "read", seq, of: conversation.of })) this.#unsentReads.set(conversation.of, seq);
    if (this.state.readUpTo(conversation, seq)) this.#receiver.count();
    this.emit("list", null);
  }

  /**
   * Mark a message and those after it as unread; they stay so until the conversation is left.
   *
   * @param {Conversation} conversation
   * @param {number} seq
   */
  markUnread(conversation, seq) {
    conversation.held = true;
    conversation.marker = seq - 1;
    this.send({ t: "read", seq: seq - 1, of: conversation.of, back: true });
    if (this.state.readUpTo(conversation, seq - 1, true)) this.#receiver.count();
    this.emit("list", null);
  }

  /** Mark everything as read. */
  markAllRead() {
    const conversations = [...this.state.conversations.values()];
    const seq = Math.max(this.state.cursor, ...conversations.map((conversation) => conversation.newest));
    this.send({ t: "read", seq });
    for (const conversation of conversations) {
      conversation.held = false;
      this.state.readUpTo(conversation, seq);
    }
    this.emit("list", null);
  }

  // Writing

  /**
   * Say something; it waits in the outbox until the server has it.
   *
   * @param {Said} message
   */
  say(message) {
    const pending = this.outbox.add({ epoch: this.state.epoch, ...message, user: this.me });
    this.emit("pending", { conversation: this.state.conversation(message.to), pending, gone: false });
    return pending;
  }

  /**
   * Try a refused message again, as a new one.
   *
   * @param {string} id
   */
  retry(id) {
    const pending = this.discard(id);
    if (pending === undefined) return;
    const { to, text, re, answer, choices, seconds, epoch } = pending;
    this.say({ to, text, re, answer, choices, seconds, epoch });
  }

  /**
   * Drop a message that waits or was refused; return it.
   *
   * @param {string} id
   */
  discard(id) {
    const pending = this.outbox.remove(id);
    if (pending) {
      this.emit("pending", { conversation: this.state.conversation(pending.to), pending, gone: true });
    }
    return pending;
  }

  /**
   * Take in whether something is written in a conversation and not sent.
   *
   * @param {string} of
   * @param {boolean} draft
   */
  drafted(of, draft) {
    const conversation = this.state.conversation(of);
    if (conversation.draft === draft) return;
    conversation.draft = draft;
    this.emit("list", null);
  }

  /**
   * Take in that somebody means the new owner of a name: what waits for that is sent.
   *
   * @param {NameChange} change
   */
  trust(change) {
    this.names.confirm(change);
    this.outbox.flush();
  }

  // Rooms

  /**
   * Enter a room, which is made if there is none; return its name as the server writes it.
   *
   * @param {string} name
   * @param {string} [kind]
   * @returns {Promise<string>}
   * @throws {Refused}
   */
  async join(name, kind) {
    /** @type {{room: RoomInfo}} */
    const { room } = await this.request({ t: "join", room: name, kind });
    this.state.rooms.add(room.name);
    this.state.invited.delete(room.name);
    const conversation = this.state.conversation(room.name);
    conversation.room = room;
    conversation.missing = false;
    conversation.read ||= room.last?.seq ?? 0;
    if (room.last) conversation.last = room.last;
    this.emit("list", null);
    return room.name;
  }

  /**
   * Leave a room for good, or decline an invitation.
   *
   * @param {string} name
   */
  async part(name) {
    await this.request({ t: "leave", room: name });
    this.state.rooms.delete(name);
    this.state.invited.delete(name);
    this.state.conversations.delete(name);
    if (this.current?.of === name) await this.open(null);
    this.emit("list", null);
  }

  /**
   * Show an error as a sentence, unless it is only the connection, which is shown anyway.
   *
   * @param {unknown} error
   */
  failed(error) {
    if (error instanceof Refused) this.emit("notice", { text: error.message, failed: true });
  }

  // What comes from the server

  /** @param {Phase} phase */
  #moved(phase) {
    this.#caughtUp = false;
    this.#listed();
    if (phase === "ready") this.#await();
    if (phase !== "ready") this.outbox.close();
    if (phase === "refused" && this.reason) this.emit("refused", this.reason);
    this.emit("phase", phase);
  }

  /** Have conversations that are opened wait for the counts of what is unread. */
  #await() {
    const listing = new Promise((/** @type {(none: void) => void} */ resolve) => {
      this.#listed = () => {
        if (this.#listing === listing) this.#listing = null;
        resolve();
      };
    });
    this.#listing = listing;
  }

  /** Take in that the feed has caught up: names that have another owner are known. */
  caughtUp() {
    this.#caughtUp = true;
    this.outbox.flush();
  }

  /** @param {Welcome} welcome */
  async #welcome(welcome) {
    const former = this.state.epoch;
    const restored = this.state.welcome(welcome);
    this.names.welcome(welcome);
    this.#codes = {};
    void this.#storage.put("settings", "user", welcome.user);
    if (restored) this.#history.forget();
    if (restored) this.#unsentReads.clear();
    if (restored && this.current !== null) this.current = this.state.conversation(this.current.of);
    try {
      await this.#loadOutbox();
      if (this.phase === "ready" && welcome.epoch === this.state.epoch) this.#openOutbox(welcome, former);
      await this.#list();
      this.emit("people", null);
      if (this.current !== null && !this.#opening?.busy) await this.open(this.current.of);
    } catch (error) {
      this.#listed();
      this.failed(error);
    }
  }

  /** Read what waits on disk: that of a former page, and of other ones that are open. */
  async #loadOutbox() {
    const changed = await this.outbox.load(this.me);
    if (changed && this.current !== null) this.emit("outbox", null);
  }

  /**
   * Send what waits. After a restore, numbers beyond `shared` mean something else.
   *
   * @param {Welcome} welcome
   * @param {string} former the log of the connection before
   */
  #openOutbox({ epoch, shared }, former) {
    this.outbox.open(epoch, (pending) => pending.epoch === former && former !== "" && (pending.re ?? 0) <= shared);
    this.emit("outbox", null);
  }

  /** Ask for the conversations, and for where those people are who are shown with them. */
  async #list() {
    const { conversations } = await this.request({ t: "conversations", limit: MOST_LISTED });
    this.state.list(conversations);
    const reads = [...this.#unsentReads];
    this.#unsentReads.clear();
    for (const [of, seq] of reads) this.markRead(this.state.conversation(of), seq);
    this.#listed();
    this.emit("list", null);
    this.#receiver.acknowledge();
    const { people } = await this.request({ t: "who", limit: PAGE });
    this.state.people.clear();
    for (const person of people) this.state.people.set(person.user, person);
    this.emit("people", null);
  }
}
