/** What a person prefers, in this browser: which conversations may call, how the page looks. No DOM. */

import { Emitter } from "../core/emitter.js";

/** @import { Conversation } from "../core/state.js" */
/** @import { Storage } from "./storage.js" */

/** @typedef {"all" | "mentions" | "nothing"} Level what of a conversation may call; "nothing" is called quiet */

/**
 * @typedef {object} Values
 * @property {Record<string, Level>} levels by conversation, where they are not the usual ones
 * @property {boolean} desktop whether the desktop shows notifications
 * @property {boolean} words whether notifications have the text of a message
 * @property {"system" | "light" | "dark"} theme
 * @property {boolean} letters whether keys that are a single character do something outside of fields
 */

const KEY = "preferences";
const CHANNEL = "chatcli-preferences";

/** @extends {Emitter<{changed: null}>} */
export class Preferences extends Emitter {
  #storage;
  #channel = new BroadcastChannel(CHANNEL);
  /** @type {Values} */
  values = { levels: {}, desktop: false, words: true, theme: "system", letters: true };

  /** @param {Storage} storage */
  constructor(storage) {
    super();
    this.#storage = storage;
    this.#channel.onmessage = () => void this.load();
  }

  /** Read what was kept, here or in another tab. */
  async load() {
    Object.assign(this.values, await this.#storage.get("settings", KEY));
    this.emit("changed", null);
  }

  /**
   * Change some preferences, in all tabs.
   *
   * @param {Partial<Values>} values
   */
  async set(values) {
    Object.assign(this.values, values);
    this.emit("changed", null);
    await this.#storage.put("settings", KEY, this.values);
    this.#channel.postMessage(null);
  }

  /**
   * Return which messages of a conversation notify.
   *
   * @param {string} of
   * @returns {Level}
   */
  level(of) {
    const { levels } = this.values; // "constructor" is a name, too
    return (Object.hasOwn(levels, of) ? levels[of] : undefined) ?? (of.startsWith("#") ? "mentions" : "all");
  }

  /**
   * @param {string} of
   * @param {Level} level
   */
  async setLevel(of, level) {
    await this.set({ levels: { ...this.values.levels, [of]: level } });
  }

  /**
   * Return the number of unread messages of a conversation that call.
   *
   * @param {Conversation} conversation
   */
  calling({ of, unread, mentions, asked }) {
    const level = this.level(of);
    if (level === "nothing") return 0;
    return level === "all" ? unread : Math.max(mentions, asked && unread > 0 ? 1 : 0);
  }
}
