/** Rooms and people at the side, with what is unread; and oneself. */

import { eachFrame, el } from "../parts/dom.js";
import { Row } from "./row.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Preferences } from "../../storage/preferences.js" */
/** @import { Conversation } from "../../core/state.js" */

const STILL = 1000; // ms for which the order stays as it is, at least: a busy server would make the list flicker

/**
 * @typedef {object} Actions
 * @property {(of: string) => void} onOpen
 * @property {() => void} onBrowse
 * @property {() => void} onMe
 */

export class Sidebar {
  #chat;
  #preferences;
  #actions;
  #draw = eachFrame(() => this.#drawNow());
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** Whether the pointer or the focus is in the lists, whose order stays as it is then. */
  #held = false;
  #sorted = 0;
  #timer = 0;
  #rooms = el("ul", { "aria-label": "Rooms" });
  #people = el("ul", { "aria-label": "People" });
  #invited = el("ul", { "aria-label": "Invitations" });
  #invitations = el("div", { hidden: true }, el("h2", {}, "Invitations"), this.#invited);
  #lists = el("div", { class: "lists" }, this.#invitations);
  #find = el("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: false,
    placeholder: "Room or person",
    "aria-label": "Open a room or a person",
  });
  #me = el("button", { type: "button", class: "me" });

  /**
   * @param {Chat} chat
   * @param {Preferences} preferences
   * @param {Actions} actions
   */
  constructor(chat, preferences, actions) {
    this.#chat = chat;
    this.#preferences = preferences;
    this.#actions = actions;
    this.#lists.append(
      el("h2", {}, "Rooms"),
      this.#rooms,
      el("button", { type: "button", class: "plain browse", onclick: actions.onBrowse }, "All rooms and people…"),
      el("h2", {}, "People"),
      this.#people,
    );
    this.root = el(
      "nav",
      { class: "sidebar", "aria-label": "Conversations", tabIndex: -1 },
      el(
        "form",
        { class: "find", onsubmit: (/** @type {Event} */ event) => void this.#go(event) },
        this.#find,
        el("button", { type: "submit" }, "Open"),
      ),
      this.#lists,
      this.#me,
    );
    this.#me.addEventListener("click", actions.onMe);
    this.#hold();
    for (const event of /** @type {const} */ (["list", "people", "current", "phase"]))
      chat.on(event, () => this.#draw());
    preferences.on("changed", () => this.#draw());
  }

  /** Move the focus to the open conversation, or to the first. */
  focus() {
    const links = [...this.root.querySelectorAll("a")];
    (links.find((link) => link.ariaCurrent) ?? links[0] ?? this.#find).focus();
  }

  /** The conversations in the order in which they are shown. */
  get order() {
    return [...this.root.querySelectorAll("a")].map((link) => link.dataset["of"] ?? "");
  }

  #hold() {
    const set = () => {
      this.#held = this.#lists.matches(":hover") || this.#lists.contains(document.activeElement);
      if (!this.#held) this.#draw();
    };
    for (const kind of ["pointerenter", "pointerleave", "focusin"]) this.#lists.addEventListener(kind, set);
    this.#lists.addEventListener("focusout", () => setTimeout(set));
  }

  #drawNow() {
    const { state, current } = this.#chat;
    const listed = state.listed;
    if (current && !listed.includes(current)) listed.push(current);
    const names = new Set(listed.map((one) => one.of));
    for (const [of, row] of this.#rows) {
      if (names.has(of)) continue;
      row.root.remove();
      this.#rows.delete(of);
    }
    for (const one of listed) this.#row(one).update(one, this.#context(one));
    this.#arrange(listed);
    this.#drawInvitations();
    this.#drawMe();
  }

  /** @param {Conversation} one */
  #row(one) {
    let row = this.#rows.get(one.of);
    if (row === undefined) {
      row = new Row(one.of);
      this.#rows.set(one.of, row);
      (one.isRoom ? this.#rooms : this.#people).append(row.root);
      this.#sorted = 0;
    }
    return row;
  }

  /** @param {Conversation} one */
  #context(one) {
    const person = one.isRoom ? undefined : this.#chat.state.people.get(one.of);
    return {
      current: one === this.#chat.current,
      calling: this.#preferences.calling(one),
      quiet: this.#preferences.level(one.of) === "nothing",
      presence: one.isRoom ? "" : (person?.state ?? (person ? "here" : "gone")),
    };
  }

  /**
   * Put the newest first, unless somebody is about to press one of them.
   *
   * @param {Conversation[]} listed
   */
  #arrange(listed) {
    const wait = this.#sorted + STILL - performance.now();
    if (this.#held) return;
    if (wait > 0 && this.#sorted) {
      this.#timer ||= setTimeout(() => {
        this.#timer = 0;
        this.#draw();
      }, wait);
      return;
    }
    this.#sorted = performance.now();
    listed.sort((a, b) => b.newest - a.newest || (a.of < b.of ? -1 : 1));
    for (const [list, isRoom] of /** @type {const} */ ([
      [this.#rooms, true],
      [this.#people, false],
    ])) {
      let next = list.firstChild;
      for (const one of listed) {
        if (one.isRoom !== isRoom) continue;
        const { root } = this.#row(one);
        if (root === next) next = next.nextSibling;
        else list.insertBefore(root, next);
      }
    }
  }

  #drawInvitations() {
    const invited = [...this.#chat.state.invited].sort();
    const before = [...this.#invited.children].map((item) => item.getAttribute("data-room"));
    if (invited.join() === before.join()) return;
    this.#invited.replaceChildren(...invited.map((room) => this.#invitation(room)));
    this.#invitations.hidden = invited.length === 0;
  }

  /** @param {string} room */
  #invitation(room) {
    const name = printableLine(room);
    const accept = async () => this.#actions.onOpen(await this.#chat.join(room));
    const decline = () => this.#chat.part(room);
    const button = (/** @type {string} */ word, /** @type {() => Promise<unknown>} */ run) =>
      el(
        "button",
        {
          type: "button",
          "aria-label": `${word} the invitation to ${name}`,
          onclick: () => void run().catch((error) => this.#chat.failed(error)),
        },
        word,
      );
    return el(
      "li",
      { class: "invitation", "data-room": room },
      el("span", { class: "name", dir: "auto" }, name),
      button("Accept", accept),
      button("Decline", decline),
    );
  }

  #drawMe() {
    const { me, state, phase } = this.#chat;
    const away = state.people.get(me)?.state === "away";
    const presence = phase === "ready" ? (away ? "away" : "here") : "gone";
    const words = { here: "here", away: "away", gone: "not connected" }[presence];
    this.#me.setAttribute("aria-label", `${printableLine(me)}, ${words}: your menu`);
    this.#me.replaceChildren(
      el("span", { class: `dot ${presence}` }),
      el("span", { class: "name", dir: "auto" }, printableLine(me)),
      " ",
      el("span", { class: "faint" }, presence === "here" ? "" : words),
    );
  }

  /** @param {Event} event */
  async #go(event) {
    event.preventDefault();
    const name = this.#find.value.trim();
    if (name === "") return this.#actions.onBrowse();
    const { openNamed } = await import("./opening.js");
    if (await openNamed(this.#chat, name, this.#actions.onOpen)) this.#find.value = "";
  }
}
