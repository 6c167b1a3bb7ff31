/** What the owners of a room, and the operators of the server, do to people in it. */

import { Refused } from "../../core/frames.js";
import { confirmed, openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { printable, printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */

/**
 * @typedef {object} Deed
 * @property {string} words
 * @property {string} about
 * @property {string} done what is said afterwards, behind the name
 * @property {boolean} [timed]
 * @property {boolean} [reasoned]
 * @property {boolean} [final] cannot be undone by oneself, or not altogether
 */

/** @type {Record<string, Deed>} */
const DEEDS = {
  kick: { words: "Kick", about: "They leave the room.", done: "was kicked", reasoned: true, final: true },
  ban: {
    words: "Ban",
    about: "They leave the room, and may neither enter nor read it.",
    done: "is banned",
    timed: true,
    reasoned: true,
    final: true,
  },
  unban: { words: "Unban", about: "They may enter again.", done: "is no longer banned" },
  mute: { words: "Mute", about: "They may read here, but not write.", done: "is muted", timed: true },
  unmute: { words: "Unmute", about: "They may write again.", done: "may write again" },
  uninvite: { words: "Take back the invitation of", about: "They may not enter by it.", done: "is no longer invited" },
  own: {
    words: "Make an owner:",
    about: "They may do all that you may do here, to you, too.",
    done: "is an owner now",
    final: true,
  },
  disown: { words: "Make no owner:", about: "They stay a member.", done: "is no owner any more" },
};

const TIMES = { "": "For ever", 3600: "1 hour", 86400: "1 day", 604800: "1 week", 2592000: "30 days" };

/**
 * Open the dialog.
 *
 * @param {Chat} chat
 * @param {string} room
 * @param {string} [user]
 */
export function openModeration(chat, room, user = "") {
  new Moderation(chat, room, user);
}

class Moderation {
  #chat;
  #room;
  #name = el("input", { type: "text", id: "whom", autocomplete: "off", spellcheck: false, required: true });
  #what = el(
    "select",
    { id: "what", onchange: () => this.#draw() },
    ...Object.entries(DEEDS).map(([value, { words }]) => el("option", { value }, words.replace(/:$| of$/, ""))),
  );
  #time = el(
    "select",
    { id: "how-long" },
    ...Object.entries(TIMES).map(([value, words]) => el("option", { value }, words)),
  );
  #reason = el("input", { type: "text", id: "why", autocomplete: "off", maxLength: 500 });
  #about = el("p", { class: "faint" });
  #timeRow = el("p", {}, el("label", { for: "how-long" }, "For how long"), this.#time);
  #reasonRow = el("p", {}, el("label", { for: "why" }, "Reason, shown to the room (may be empty)"), this.#reason);
  #said = el("p", { role: "status" });
  #problem = el("p", { class: "problem", role: "alert", hidden: true });
  #do = el("button", { type: "submit" });

  /**
   * @param {Chat} chat
   * @param {string} room
   * @param {string} user
   */
  constructor(chat, room, user) {
    this.#chat = chat;
    this.#room = room;
    this.#name.value = user;
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#run();
    };
    openDialog(`Moderate ${printableLine(room)}`, [
      el(
        "form",
        { class: "fields", onsubmit: submit },
        el("p", {}, el("label", { for: "whom" }, "Person"), this.#name),
        el("p", {}, el("label", { for: "what" }, "Action"), this.#what),
        this.#about,
        this.#timeRow,
        this.#reasonRow,
        this.#problem,
        el("p", {}, this.#do),
        this.#said,
      ),
    ]);
    this.#name.addEventListener("input", () => this.#draw());
    this.#draw();
    (user === "" ? this.#name : this.#what).focus();
  }

  /** The chosen action. */
  get #deed() {
    return /** @type {Deed} */ (DEEDS[this.#what.value]);
  }

  get #user() {
    return this.#name.value.trim().replace(/^@/, "");
  }

  #draw() {
    const { words, about, timed = false, reasoned = false } = this.#deed;
    this.#about.textContent = about;
    this.#timeRow.hidden = !timed;
    this.#reasonRow.hidden = !reasoned;
    this.#do.textContent = `${words} ${printableLine(this.#user)}`.trim();
  }

  async #run() {
    const { words, about, done, timed, reasoned, final } = this.#deed;
    const user = this.#user;
    const name = printableLine(user);
    this.#said.textContent = "";
    this.#problem.hidden = true;
    if (final && !(await confirmed(`${words} ${name}?`, about, words.replace(/:$/, "")))) return;
    try {
      await this.#chat.request({
        t: "operate",
        do: this.#what.value,
        to: user,
        room: this.#room,
        seconds: timed ? Number(this.#time.value) || undefined : undefined,
        reason: reasoned ? this.#reason.value.trim() || undefined : undefined,
      });
      this.#said.textContent = `${name} ${done}.`;
      await this.#chat.describe(this.#chat.state.conversation(this.#room));
    } catch (error) {
      this.#refused(error);
    }
  }

  /** @param {unknown} error */
  #refused(error) {
    this.#problem.textContent = error instanceof Error ? printable(error.message) : "";
    this.#problem.hidden = false;
    if (!(error instanceof Refused)) return;
    for (const name of error.names) {
      const use = () => {
        this.#name.value = name;
        this.#draw();
      };
      this.#problem.append(" ", el("button", { type: "button", onclick: use }, printableLine(name)));
    }
  }
}
