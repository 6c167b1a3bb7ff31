/** The head of the open conversation: its name, its topic or presence, and what can be done with it. */

import { eachFrame, el } from "../parts/dom.js";
import { icon } from "../parts/icon.js";
import { printableLine } from "../parts/text.js";
import { shortTime } from "../parts/times.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Conversation } from "../../core/state.js" */

/**
 * @typedef {object} Actions
 * @property {() => void} onBack
 * @property {() => void} onSearch
 * @property {() => void} onPeople
 * @property {() => void} onAbout
 */

export class Header {
  #chat;
  #draw = eachFrame(() => this.#drawNow());
  #title = el("h1", { dir: "auto" });
  #about = el("p", { class: "about", dir: "auto" });
  #join = el("button", { type: "submit", class: "join", hidden: true, onclick: () => void this.#enter() }, "Join");
  #search;
  #people;
  #more;

  /**
   * @param {Chat} chat
   * @param {Actions} actions
   */
  constructor(chat, { onBack, onSearch, onPeople, onAbout }) {
    this.#chat = chat;
    this.#search = tool("search", "Search", onSearch);
    this.#people = tool("people", "People", onPeople);
    this.#more = tool("about", "About", onAbout);
    /** The place of further buttons. */
    this.tools = el("div", { class: "tools" }, this.#join, this.#search, this.#people, this.#more);
    const back = tool("back", "All conversations", onBack);
    back.classList.add("back");
    this.root = el(
      "header",
      { class: "head" },
      back,
      el("div", { class: "titles" }, this.#title, this.#about),
      this.tools,
    );
    for (const event of /** @type {const} */ (["current", "room", "people", "list"]))
      chat.on(event, () => this.#draw());
  }

  /** @param {boolean} shown whether the people are beside the conversation */
  showsPeople(shown) {
    this.#people.setAttribute("aria-expanded", String(shown));
  }

  /** Move the focus to the button for the people. */
  focusPeople() {
    this.#people.focus();
  }

  #drawNow() {
    const conversation = this.#chat.current;
    this.root.hidden = conversation === null;
    if (conversation === null) return;
    const name = printableLine(conversation.of);
    set(this.#title, name);
    set(this.#about, conversation.isRoom ? this.#topic(conversation) : this.#where(conversation.of));
    const { isRoom, room } = conversation;
    this.#people.hidden = !isRoom;
    label(this.#people, room ? `People: ${room.members}` : "People");
    label(this.#more, `About ${name}`);
    this.#more.hidden = conversation.missing;
    this.#people.hidden ||= conversation.missing;
    this.#join.hidden =
      conversation.missing || !isRoom || this.#chat.state.rooms.has(conversation.of) || this.#chat.phase !== "ready";
    label(this.#join, `Join ${name}`);
  }

  async #enter() {
    const conversation = this.#chat.current;
    if (conversation === null) return;
    try {
      await this.#chat.join(conversation.of);
      await this.#chat.open(conversation.of);
    } catch (error) {
      this.#chat.failed(error);
    }
  }

  /** @param {Conversation} conversation */
  #topic({ room }) {
    if (room === null) return "";
    const kind = { open: "", private: "Private", announcement: "Announcements" }[room.kind];
    return printableLine([kind, room.topic ?? ""].filter(Boolean).join(" · "));
  }

  /** @param {string} user */
  #where(user) {
    const person = this.#chat.state.people.get(user);
    if (person === undefined) return "";
    const { state = "here", since, text = "", idle } = person;
    const words = { gone: "left", away: "away since", here: idle ? "idle since" : "here since" }[state];
    const at = state === "here" && idle ? idle : since;
    return printableLine([at ? `${words} ${shortTime(at)}` : state, text].filter(Boolean).join(": "));
  }
}

/**
 * @param {"back" | "search" | "people" | "about"} kind
 * @param {string} words
 * @param {() => void} onclick
 */
function tool(kind, words, onclick) {
  return el("button", { type: "button", class: "tool", "aria-label": words, title: words, onclick }, icon(kind));
}

/**
 * @param {HTMLElement} button
 * @param {string} words
 */
function label(button, words) {
  if (button.title === words) return;
  button.title = words;
  button.setAttribute("aria-label", words);
}

/**
 * @param {HTMLElement} node
 * @param {string} text
 */
function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
