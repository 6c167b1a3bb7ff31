/** Calling somebody who looks elsewhere: the title, the icon of the tab, notifications of the desktop. */

import { mentions } from "../../core/mentions.js";
import { eachFrame } from "../parts/dom.js";
import { start } from "../timeline/message.js";
import { printableLine } from "../parts/text.js";
import { Watchers } from "./watchers.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Message } from "../../core/frames.js" */
/** @import { Conversation } from "../../core/state.js" */
/** @import { Shell } from "../shell.js" */

const TOGETHER = 400; // ms in which messages of a conversation are one notification
const SHOWN = 160; // characters of a text
const BASE = new URL("../..", import.meta.url);

export class Notices {
  #chat;
  #shell;
  #draw = eachFrame(() => this.#drawNow());
  #icon = /** @type {HTMLLinkElement | null} */ (document.querySelector("link[rel=icon]"));
  /** Messages that have yet to call. @type {Map<Conversation, Message[]>} */
  #waiting = new Map();
  #timer = 0;
  #watchers = new Watchers();
  /** Open notifications. @type {Map<string, Notification>} */
  #open = new Map();

  /**
   * @param {Chat} chat
   * @param {Shell} shell
   */
  constructor(chat, shell) {
    this.#chat = chat;
    this.#shell = shell;
    for (const event of /** @type {const} */ (["list", "current", "phase"])) chat.on(event, () => this.#draw());
    shell.preferences.on("changed", () => this.#draw());
    chat.on("arrived", (arrived) => this.#arrived(arrived));
    this.#draw();
    new Image().src = iconAddress("icon-waiting"); // kept for when no server gives it
  }

  #drawNow() {
    const { state, current, phase } = this.#chat;
    if (!this.#shell.root.isConnected) return; // somebody has left
    let count = 0;
    for (const one of state.listed) {
      const calling = this.#shell.preferences.calling(one);
      count += calling;
      if (calling === 0) this.#withdraw(one.of);
    }
    const place = current === null ? "chatcli" : `${printableLine(current.of)} – chatcli`;
    const title = count > 0 ? `(${count > 99 ? "99+" : count}) ${place}` : place;
    if (document.title !== title) document.title = title;
    const waiting = phase === "waiting" || phase === "connecting" || phase === "ended";
    this.#setIcon(waiting ? "icon-waiting" : count > 9 ? "icon-more" : count > 0 ? `icon-${count}` : "icon");
  }

  /** @param {string} name */
  #setIcon(name) {
    const href = iconAddress(name);
    if (this.#icon && this.#icon.href !== href) this.#icon.href = href;
  }

  /** @param {{conversation: Conversation, message: Message}} arrived */
  #arrived({ conversation, message }) {
    const { preferences } = this.#shell;
    if (!preferences.values.desktop || !("Notification" in globalThis) || Notification.permission !== "granted") return;
    if (this.#watchers.anybody) return;
    const level = preferences.level(conversation.of);
    const forMe = message.choices !== undefined || mentions(message.text, this.#chat.me);
    if (level === "nothing" || (level === "mentions" && !forMe)) return;
    const before = this.#waiting.get(conversation) ?? [];
    this.#waiting.set(conversation, [...before.slice(-1), message]);
    this.#timer ||= setTimeout(() => void this.#call(), TOGETHER);
  }

  async #call() {
    this.#timer = 0;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    // Of all tabs one calls, and none if somebody looks at one of them.
    if (this.#watchers.anybody || !this.#watchers.leads) return;
    for (const [conversation, messages] of waiting) this.#show(conversation, messages);
  }

  /**
   * @param {Conversation} conversation
   * @param {Message[]} messages the newest ones
   */
  #show({ of, isRoom }, messages) {
    const message = messages.at(-1);
    if (message === undefined) return;
    const from = printableLine(message.from);
    const place = isRoom ? ` in ${printableLine(of)}` : "";
    const title = messages.length > 1 ? `New messages${isRoom ? place : ` from ${from}`}` : `${from}${place}`;
    const question = message.choices ? "asks: " : "";
    const body = this.#shell.preferences.values.words ? question + start(message.text, SHOWN) : "New message";
    try {
      const notification = new Notification(title, { body, tag: of, icon: new URL("icon.svg", BASE).href });
      this.#open.set(of, notification);
      notification.onclick = () => {
        window.focus();
        this.#shell.go(of, undefined);
        notification.close();
      };
    } catch {
      // Browsers of phones show notifications of service workers only.
    }
  }

  /** @param {string} of a conversation that has been read */
  #withdraw(of) {
    this.#open.get(of)?.close();
    this.#open.delete(of);
  }
}

/** @param {string} name */
function iconAddress(name) {
  return new URL(`${name}.svg`, BASE).href;
}
