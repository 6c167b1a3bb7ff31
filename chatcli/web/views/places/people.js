/** The members of the open room, beside it. */

import { eachFrame, el } from "../parts/dom.js";
import { icon } from "../parts/icon.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Person } from "../../core/frames.js" */

const MOST = 200; // members that are listed
const AGAIN_AFTER = 30_000; // ms; where presence is not pushed, as in large rooms, it is asked for
const ORDER = { here: 0, away: 1, gone: 2 };

export class People {
  #chat;
  #onPerson;
  /** @type {Person[]} */
  #members = [];
  #count = 0;
  #of = "";
  #draw = eachFrame(() => this.#drawNow());
  #filter = el("input", {
    type: "text",
    autocomplete: "off",
    placeholder: "Filter",
    "aria-label": "Filter people",
    oninput: () => this.#draw(),
  });
  #list = el("ul", { "aria-label": "Members" });
  #heading = el("h2", {}, "People");
  /** @type {(() => void)[]} */
  #ends;

  /**
   * @param {Chat} chat
   * @param {{onPerson: (user: string) => void, onClose: () => void}} actions
   */
  constructor(chat, { onPerson, onClose }) {
    this.#chat = chat;
    this.#onPerson = onPerson;
    const close = el(
      "button",
      { type: "button", class: "tool", "aria-label": "Close", onclick: onClose },
      icon("close"),
    );
    this.root = el(
      "aside",
      { class: "people", "aria-label": "People", tabIndex: -1 },
      el("header", {}, this.#heading, close),
      this.#filter,
      this.#list,
    );
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && onClose());
    const load = () => void this.#load();
    const timer = setInterval(load, AGAIN_AFTER);
    this.#ends = [
      chat.on("current", load),
      chat.on("room", (conversation) => conversation === chat.current && load()),
      chat.on("people", () => this.#draw()),
      () => clearInterval(timer),
    ];
    load();
    setTimeout(() => close.focus());
  }

  close() {
    for (const end of this.#ends) end();
    this.root.remove();
  }

  async #load() {
    const { current } = this.#chat;
    this.root.hidden = current === null || !current.isRoom;
    if (current === null || this.root.hidden || this.#chat.phase !== "ready" || document.hidden) return;
    if (this.#of !== current.of) this.#members = [];
    this.#of = current.of;
    try {
      const { people, count } = await this.#chat.request({ t: "who", to: current.of, limit: MOST });
      if (this.#of !== current.of) return;
      this.#members = people;
      this.#count = count ?? people.length;
      for (const person of people) this.#chat.state.people.set(person.user, person);
    } catch {
      if (this.#of !== current.of) return;
      this.#members = [];
      this.#count = 0;
    }
    this.#draw();
  }

  #drawNow() {
    const { state, current } = this.#chat;
    const words = this.#filter.value.trim().toLowerCase();
    const owners = new Set(current?.room?.owners);
    const shown = this.#members
      .map((person) => state.people.get(person.user) ?? person)
      .filter((person) => person.user.toLowerCase().includes(words))
      .sort((a, b) => ORDER[a.state ?? "here"] - ORDER[b.state ?? "here"] || (a.user < b.user ? -1 : 1));
    this.#heading.textContent = this.#count ? `People, ${this.#count}` : "People";
    this.#filter.hidden = this.#members.length < 10;
    const more = this.#count - this.#members.length;
    const focused = this.#list.contains(document.activeElement) && document.activeElement?.getAttribute("data-user");
    this.#list.replaceChildren(
      ...shown.map((person) => this.#item(person, owners.has(person.user))),
      more > 0 ? el("li", { class: "faint" }, `and ${more} more`) : "",
    );
    if (focused) [...this.#list.querySelectorAll("button")].find((one) => one.dataset["user"] === focused)?.focus();
  }

  /**
   * @param {Person} person
   * @param {boolean} owner
   */
  #item({ user, state = "here", text = "", idle }, owner) {
    const name = printableLine(user);
    const words = [name, owner && "owner", text && printableLine(text), state === "here" && idle ? "idle" : state];
    return el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "row",
          "data-user": user,
          "aria-label": words.filter(Boolean).join(", "),
          onclick: () => this.#onPerson(user),
        },
        el("span", { class: `dot ${state === "here" && idle ? "idle" : state}` }),
        el("span", { class: "name", dir: "auto" }, name),
        " ",
        owner && el("span", { class: "tag" }, "owner"),
        " ",
        text !== "" && el("span", { class: "faint", dir: "auto" }, printableLine(text)),
      ),
    );
  }
}
