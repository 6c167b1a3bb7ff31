/** What somebody should know about their name, their keys and the server: said in bars over the page. */

import { Bars } from "./parts/bars.js";
import { Doubt } from "./doubt.js";
import { changeSentence } from "./parts/sentences.js";
import { checkKeys, checkServer, isOwnKey } from "./safety.js";
import { printableLine } from "./parts/text.js";
import { shortTime } from "./parts/times.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { NameChange } from "../core/frames.js" */
/** @import { Identity } from "../storage/identity.js" */
/** @import { Storage } from "../storage/storage.js" */
/** @import { Tabs } from "../storage/tabs.js" */
/** @import { Action } from "./parts/bars.js" */
/** @import { Shell } from "./shell.js" */

const CHECK_AFTER = 1000; // ms after a welcome, when more urgent things are done

export class Guard {
  #chat;
  #storage;
  #identity;
  #tabs;
  #pin;
  #bars = new Bars();
  #serverKey = "";
  #server = "";

  /**
   * @param {object} options
   * @param {Chat} options.chat
   * @param {Storage} options.storage
   * @param {Identity} options.identity
   * @param {Tabs} options.tabs
   * @param {Shell} options.shell
   * @param {string | undefined} options.pin fingerprint of the server's key, if an address had it
   */
  constructor({ chat, storage, identity, tabs, shell, pin }) {
    this.#chat = chat;
    this.#storage = storage;
    this.#identity = identity;
    this.#tabs = tabs;
    this.#pin = pin;
    shell.status.root.append(this.#bars.root);
    const doubt = new Doubt(chat, (pending) => shell.composer.edit(pending));
    shell.composer.root.before(doubt.root);
    chat.on("phase", (phase) => phase !== "ended" && this.#bars.hide("ended"));
    storage.onLoss = () => {
      const text = "This browser keeps no more for this page: what waits to be sent lasts as long as this tab.";
      this.#bars.show("storage", text, [["OK", () => this.#bars.hide("storage")]], { loud: true });
    };
  }

  /** Say why the server has closed for good, and what can be done. */
  ended() {
    const { reason, me } = this.#chat;
    const text = `${reason?.message ?? ""} What you have not sent is kept in this browser.`;
    const again = /** @type {const} */ ([`Come in again as ${printableLine(me)}`, () => this.#chat.resume()]);
    const other = /** @type {const} */ (["Another name", () => this.#leave()]);
    const reload = /** @type {const} */ (["Load the page again", () => location.reload()]);
    const actions = reason?.code === "unsupported_version" ? [reload] : [again, other];
    this.#bars.show("ended", text, /** @type {Action[]} */ (actions), { loud: true });
  }

  /** Go back to the entrance; the name stays that of this browser's key. */
  async #leave() {
    this.#chat.leave();
    await this.#storage.delete("settings", "user");
    location.assign("/");
  }

  /** @param {string} key fingerprint of the server's */
  async challenged(key) {
    if (key === this.#serverKey) return;
    this.#serverKey = key;
    await checkServer(key, this.#pin, this.#storage, this.#bars, () => void this.#leave());
  }

  /** @param {string} server its program and version */
  welcomed(server) {
    if (this.#server !== "" && this.#server !== server) this.outdated();
    this.#server = server;
    const check = () => checkKeys(this.#chat, this.#storage, this.#bars, () => this.openDevices());
    setTimeout(() => void check().catch((error) => this.#chat.failed(error)), CHECK_AFTER);
  }

  async openDevices() {
    const { openDevices } = await import("./account/devices.js");
    await openDevices({
      chat: this.#chat,
      identity: this.#identity,
      serverKey: this.#serverKey,
      forget: () => this.#forget(),
      onKept: () => {
        this.#bars.hide("kept");
        void this.#storage.put("settings", `kept:${this.#chat.me}`, true);
      },
    });
  }

  /**
   * Say that a name has one more key; what else happens to names is asked where one writes to them.
   *
   * @param {NameChange} change
   */
  renewed(change) {
    if (change.what !== "key") return;
    if (change.user !== this.#chat.me) {
      this.#chat.emit("notice", { text: changeSentence(change), failed: false });
      return;
    }
    const warn = () => this.#warn(change);
    void isOwnKey(this.#chat, this.#identity, change).then((own) => own || warn(), warn);
  }

  /**
   * Say that somebody has given the person's name one more key.
   *
   * @param {NameChange} change
   */
  #warn(change) {
    const text = `Your name has had one more key since ${shortTime(change.at)}. If that was not you, revoke it.`;
    const look = () => (this.#bars.hide("key"), this.openDevices());
    this.#bars.show(
      "key",
      text,
      [
        ["Devices…", look],
        ["It was me", () => this.#bars.hide("key")],
      ],
      { loud: true },
    );
  }

  /** Delete the key and all else, here and in the other tabs. */
  async #forget() {
    this.#chat.leave();
    await this.#storage.forget();
    this.#tabs.say("forgotten", null);
    location.assign("/");
  }

  /** Say that the server has another page now, as what this one has yet to load is gone there. */
  outdated() {
    this.#bars.show("outdated", "The server has a newer version of this page.", [["Load it", () => location.reload()]]);
  }
}
