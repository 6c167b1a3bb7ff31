/** Drafts: what was written and not sent yet, one for each conversation, on disk at each pause and the same in all tabs. */

import { Tabs } from "./tabs.js";

/** @import { Message } from "../core/frames.js" */
/** @import { Storage } from "./storage.js" */

const PAUSE = 400; // ms without a key after which a draft is kept on disk

/**
 * @typedef {object} Draft
 * @property {string} text
 * @property {Pick<Message, "seq" | "from" | "text">} [re] the message that it replies to
 * @property {string} [epoch] the log that `re` belongs to
 */

export class Drafts {
  #storage;
  #onChange;
  #tabs = new Tabs();
  #user = "";
  /** @type {Map<string, Draft>} */
  #drafts = new Map();
  /** Those that have yet to be kept, with their timers. @type {Map<string, number>} */
  #unkept = new Map();

  /**
   * @param {Storage} storage
   * @param {(of: string) => void} onChange called when a draft was read, or another tab has changed it, or when it
   *   has begun or ended
   */
  constructor(storage, onChange) {
    this.#storage = storage;
    this.#onChange = onChange;
    this.#tabs.on("draft", ({ user, of, draft }) => {
      if (user !== this.#user || this.#unkept.has(of)) return;
      this.#set(of, draft);
      onChange(of);
    });
  }

  /**
   * Read the drafts of somebody.
   *
   * @param {string} user
   */
  async load(user) {
    this.#user = user.toLowerCase();
    for (const kept of await this.#storage.all("drafts")) {
      if (kept?.user !== this.#user || typeof kept.text !== "string" || this.#drafts.has(kept.of)) continue;
      this.#drafts.set(kept.of, { text: kept.text, re: kept.re, epoch: kept.epoch });
      this.#onChange(kept.of);
    }
  }

  /** @param {string} of */
  has(of) {
    return this.#drafts.has(of);
  }

  /**
   * Return the draft of a conversation.
   *
   * @param {string} of
   * @returns {Draft}
   */
  get(of) {
    return this.#drafts.get(of) ?? { text: "" };
  }

  /**
   * Take in what is written in a conversation now; it is kept on disk soon.
   *
   * @param {string} of
   * @param {Draft} draft
   */
  write(of, draft) {
    this.#set(of, draft.text === "" && draft.re === undefined ? undefined : draft);
    clearTimeout(this.#unkept.get(of));
    this.#unkept.set(
      of,
      setTimeout(() => this.keep(of), PAUSE),
    );
  }

  /**
   * Keep on disk what was written in a conversation, or everywhere, and tell the other tabs.
   *
   * @param {string} [only]
   */
  keep(only) {
    for (const of of only === undefined ? [...this.#unkept.keys()] : [only]) {
      if (!this.#unkept.has(of)) continue;
      clearTimeout(this.#unkept.get(of));
      this.#unkept.delete(of);
      const draft = this.#drafts.get(of);
      const key = `${this.#user} ${of}`;
      if (draft === undefined) void this.#storage.delete("drafts", key);
      else void this.#storage.put("drafts", key, { ...draft, user: this.#user, of });
      this.#tabs.say("draft", { user: this.#user, of, draft });
    }
  }

  /**
   * @param {string} of
   * @param {Draft | undefined} draft
   */
  #set(of, draft) {
    const had = this.#drafts.has(of);
    if (draft === undefined) this.#drafts.delete(of);
    else this.#drafts.set(of, draft);
    if (had !== this.#drafts.has(of)) this.#onChange(of);
  }
}
