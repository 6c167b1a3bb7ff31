/** Names that have another owner: nothing is sent to them until the person has said that it is meant for the new one. */

/** @import { NameChange, Welcome } from "./frames.js" */
/** @import { Storage } from "../storage/storage.js" */

/** After these someone else may read what is written to the name. A key that was added with another one is only shown. */
const HELD = new Set(["recovered", "released", "taken"]);
const MOST = 1000;

export class Names {
  #storage;
  #user = "";
  #epoch = "";
  /** The newest change of each name that is to be confirmed. @type {Map<string, NameChange>} */
  #changes = new Map();

  /** @param {Storage} storage */
  constructor(storage) {
    this.#storage = storage;
    /** `seq` of the newest change that was heard of, or of where this browser began to hear of them. */
    this.told = 0;
  }

  /**
   * Read what is known for somebody.
   *
   * @param {string} user
   */
  async load(user) {
    this.#user = user;
    const { told = 0, epoch = "", changes = [] } = (await this.#storage.get("settings", this.#key)) ?? {};
    this.told = told;
    this.#epoch = epoch;
    this.#changes = new Map(changes.map((/** @type {NameChange} */ change) => [fold(change.user), change]));
  }

  /**
   * Take in a welcome: in another log the numbers mean something else.
   *
   * @param {Welcome} welcome
   */
  welcome({ user, epoch, head, shared }) {
    if (this.told === 0) this.told = head;
    else if (this.#epoch !== epoch) this.told = Math.min(this.told, shared || head);
    this.#user = user;
    this.#epoch = epoch;
    this.#keep();
  }

  /**
   * Take in a change; return whether it is to be confirmed.
   *
   * @param {NameChange} change
   */
  add(change) {
    this.told = Math.max(this.told, change.seq);
    const held = HELD.has(change.what);
    if (held) {
      this.#changes.delete(fold(change.user));
      this.#changes.set(fold(change.user), change);
      const [oldest] = this.#changes.keys();
      if (this.#changes.size > MOST && oldest !== undefined) this.#changes.delete(oldest);
    }
    this.#keep();
    return held;
  }

  /**
   * Return the change of a name that is to be confirmed, or undefined.
   *
   * @param {string} name
   */
  find(name) {
    return this.#changes.get(fold(name));
  }

  /**
   * Take in that the person knows of a change.
   *
   * @param {NameChange} change
   */
  confirm(change) {
    if (this.#changes.get(fold(change.user)) === change) this.#changes.delete(fold(change.user));
    this.#keep();
  }

  get #key() {
    return `names:${fold(this.#user)}`;
  }

  #keep() {
    const { told } = this;
    const changes = [...this.#changes.values()];
    void this.#storage.put("settings", this.#key, { told, epoch: this.#epoch, changes });
  }
}

/**
 * Return whether two names differ only in how they are written.
 *
 * @param {string} one
 * @param {string} other
 */
export function isSame(one, other) {
  return fold(one.normalize("NFKC")) === fold(other.normalize("NFKC"));
}

/** @param {string} name */
function fold(name) {
  return name.normalize("NFC").toLowerCase();
}
