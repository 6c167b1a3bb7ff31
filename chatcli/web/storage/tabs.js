/** The other tabs of this browser with this page: they share the key and the storage, and tell each other what changes. */

import { Emitter } from "../core/emitter.js";

/**
 * @typedef {object} Events
 * @property {{user: string}} login somebody came in in another tab
 * @property {{user: string, of: string, draft: import("./drafts.js").Draft | undefined}} draft what is written changed
 * @property {null} forgotten another tab has deleted the key, and all else that was kept
 */

/** @extends {Emitter<Events>} */
export class Tabs extends Emitter {
  #channel;

  constructor() {
    super();
    this.#channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("chatcli") : null;
    this.#channel?.addEventListener("message", ({ data }) => this.emit(data.kind, data.detail));
  }

  /**
   * Tell the other tabs.
   *
   * @template {keyof Events} Kind
   * @param {Kind} kind
   * @param {Events[Kind]} detail
   */
  say(kind, detail) {
    this.#channel?.postMessage({ kind, detail });
  }
}
