/** One place to find, join and make rooms, and to find people. */

import { Refused } from "../../core/frames.js";
import { openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { printable, printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Person, RoomInfo } from "../../core/frames.js" */

const MOST = 200; // rooms, or people, that are shown at once; typing filters the others
const MOST_PEOPLE = 500;
/** Names and meanings of the kinds of rooms. @type {Record<string, [string, string]>} */
const KINDS = {
  open: ["Open", "Everyone may enter, read and write."],
  private: ["Private", "Only those who are invited may enter."],
  announcement: ["Announcements", "Owners write, everyone reads."],
};

/**
 * @typedef {object} Options
 * @property {(of: string) => void} onOpen
 * @property {string} [name] what was looked for
 * @property {string} [problem] why it was not found
 * @property {string[]} [names] that are meant perhaps
 */

/**
 * Open the dialog.
 *
 * @param {Chat} chat
 * @param {Options} options
 */
export function openRooms(chat, options) {
  return new Rooms(chat, options).dialog;
}

class Rooms {
  #chat;
  #options;
  /** @type {RoomInfo[]} */
  #rooms = [];
  /** @type {Person[]} */
  #people = [];
  #more = false;
  #filter;
  #list = el("ul", { class: "rows", "aria-label": "Rooms" });
  #here = el("ul", { class: "rows", "aria-label": "People here" });
  #next = el("button", { type: "button", hidden: true, onclick: () => void this.#load() }, "More rooms");
  #problem = el("p", { class: "problem", role: "alert", hidden: true });

  /**
   * @param {Chat} chat
   * @param {Options} options
   */
  constructor(chat, options) {
    this.#chat = chat;
    this.#options = options;
    this.#filter = el("input", {
      type: "text",
      autocomplete: "off",
      "aria-label": "Filter",
      placeholder: "Filter by name or topic",
      oninput: () => this.#draw(),
    });
    this.dialog = openDialog(
      "Rooms and people",
      [
        ...this.#suggestions(),
        this.#problem,
        this.#creation(),
        el("p", {}, this.#filter),
        el("h3", {}, "Rooms"),
        this.#list,
        el("p", {}, this.#next),
        el("h3", {}, "People here"),
        this.#here,
      ],
      { wide: true },
    );
    if (options.names?.length) this.dialog.querySelector(/** @type {"button"} */ (".choices button"))?.focus();
    else this.#filter.focus();
    void this.#load();
    void this.#loadPeople();
  }

  /** Shown if a name was looked for and not found. */
  #suggestions() {
    const { problem, names = [] } = this.#options;
    if (problem === undefined) return [];
    return [
      el("p", { class: "problem", role: "alert" }, printable(problem)),
      names.length > 0 &&
        el(
          "p",
          { class: "choices" },
          ...names.map((name) =>
            el("button", { type: "button", onclick: () => void this.#named(name) }, printableLine(name)),
          ),
        ),
    ];
  }

  #creation() {
    const wanted = this.#options.name ?? "";
    const name = el("input", { type: "text", id: "new-room", autocomplete: "off", spellcheck: false, required: true });
    name.value = wanted.startsWith("#") ? wanted : "";
    const kind = el(
      "select",
      { id: "new-kind" },
      ...Object.entries(KINDS).map(([value, [words]]) => el("option", { value }, words)),
    );
    const about = el("p", { class: "faint", id: "about-kind" });
    const explain = () => (about.textContent = KINDS[kind.value]?.[1] ?? "");
    kind.setAttribute("aria-describedby", about.id);
    kind.addEventListener("change", explain);
    explain();
    const problem = el("p", { class: "problem", role: "alert", hidden: true });
    const create = (/** @type {Event} */ event) => {
      event.preventDefault();
      const room = name.value.trim();
      void this.#try(() => this.#chat.join(room.startsWith("#") ? room : `#${room}`, kind.value), problem);
    };
    return el(
      "details",
      { open: name.value !== "" },
      el("summary", {}, "New room"),
      el(
        "form",
        { class: "fields", onsubmit: create },
        el("label", { for: "new-room" }, "Name of the room"),
        name,
        problem,
        el("label", { for: "new-kind" }, "Kind (cannot be changed later)"),
        kind,
        about,
        el("p", {}, el("button", { type: "submit" }, "Create")),
      ),
    );
  }

  /** @param {string} name */
  async #named(name) {
    await this.#try(async () => (name.startsWith("#") ? this.#chat.join(name) : name));
  }

  /**
   * Open what a request brings, or say why it does not.
   *
   * @param {() => Promise<string>} ask
   * @param {HTMLElement} [problem] where the reason stands
   */
  async #try(ask, problem = this.#problem) {
    this.#problem.hidden = problem.hidden = true;
    try {
      const of = await ask();
      this.dialog.close();
      this.#options.onOpen(of);
    } catch (error) {
      if (!(error instanceof Refused)) return;
      problem.textContent = printable(error.message);
      problem.hidden = false;
    }
  }

  /** Read the next page of rooms. */
  async #load() {
    try {
      const after = this.#rooms.at(-1)?.name;
      const { rooms, more } = await this.#chat.request({ t: "rooms", after });
      this.#rooms.push(...rooms);
      this.#more = more;
      this.#draw();
    } catch (error) {
      this.#chat.failed(error);
    }
  }

  async #loadPeople() {
    try {
      const { people } = await this.#chat.request({ t: "who", limit: MOST_PEOPLE });
      this.#people = people.filter((/** @type {Person} */ person) => person.user !== this.#chat.me);
      this.#draw();
    } catch (error) {
      this.#chat.failed(error);
    }
  }

  #draw() {
    const words = this.#filter.value.trim().toLowerCase();
    const has = (/** @type {string} */ text) => text.toLowerCase().includes(words);
    const rooms = this.#rooms.filter((room) => has(room.name) || has(room.topic ?? ""));
    const people = this.#people.filter((person) => has(person.user));
    this.#list.replaceChildren(...shown(rooms, (room) => this.#room(room), "No such room."));
    this.#here.replaceChildren(...shown(people, (person) => this.#person(person), "Nobody else."));
    this.#next.hidden = !this.#more;
  }

  /** @param {RoomInfo} room */
  #room({ name, topic = "", members, kind, joined }) {
    const about = [kind === "open" ? "" : kind, `${members} ${members === 1 ? "member" : "members"}`, topic];
    const line = printableLine(name);
    return el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "row",
          onclick: () => void this.#try(async () => (joined ? name : this.#chat.join(name))),
        },
        el("span", { class: "name", dir: "auto" }, line),
        " ",
        el("span", { class: "faint", dir: "auto" }, printableLine(about.filter(Boolean).join(" · "))),
        " ",
        el("span", { class: "verb" }, joined ? "Open" : "Join"),
      ),
    );
  }

  /** @param {Person} person */
  #person({ user, state = "here", text = "" }) {
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "row", onclick: () => void this.#try(async () => user) },
        el("span", { class: `dot ${state}` }),
        el("span", { class: "name", dir: "auto" }, printableLine(user)),
        " ",
        el("span", { class: "faint", dir: "auto" }, state === "here" ? "" : printableLine(`${state} ${text}`)),
      ),
    );
  }
}

/**
 * Return the nodes of a list, within bounds.
 *
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => HTMLElement} node
 * @param {string} none
 */
function shown(items, node, none) {
  const nodes = items.slice(0, MOST).map(node);
  if (items.length === 0) nodes.push(el("li", { class: "faint" }, none));
  if (items.length > MOST) nodes.push(el("li", { class: "faint" }, `${items.length - MOST} more: filter them.`));
  return nodes;
}
