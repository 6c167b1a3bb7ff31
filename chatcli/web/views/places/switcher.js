/** Going anywhere by the first letters: conversations, rooms, and people who are here. */

import { openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { openNamed } from "./opening.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */

const MOST = 12; // choices

/** @typedef {{of: string, about: string, rank: number, open: () => void}} Choice */

/**
 * Open the switcher.
 *
 * @param {Chat} chat
 * @param {{onOpen: (of: string) => void, typed: string}} actions `typed`: what was written while this was loaded
 */
export function openSwitcher(chat, { onOpen, typed }) {
  new Switcher(chat, onOpen, typed);
}

class Switcher {
  #chat;
  #onOpen;
  /** @type {Choice[]} */
  #all = [];
  /** @type {Choice[]} */
  #shown = [];
  #at = 0;
  /** Runs once the dialog has closed: as long as it is there, nothing behind it takes the focus. */
  #chosen = () => {};
  #list = el("ul", { id: "switcher-list", role: "listbox", "aria-label": "Conversations" });
  #input = el("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: false,
    role: "combobox",
    "aria-label": "Go to",
    "aria-controls": "switcher-list",
    "aria-expanded": "true",
    "aria-autocomplete": "list",
    placeholder: "Room or person",
    oninput: () => this.#filter(),
  });
  #none = el("p", { class: "faint", role: "status" });

  /**
   * @param {Chat} chat
   * @param {(of: string) => void} onOpen
   * @param {string} typed
   */
  constructor(chat, onOpen, typed) {
    this.#chat = chat;
    this.#onOpen = onOpen;
    this.dialog = openDialog("Go to", [el("p", {}, this.#input), this.#list, this.#none], {
      onClose: () => this.#chosen(),
    });
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#input.value = typed;
    this.#input.focus();
    this.#all = this.#known();
    this.#filter();
    void this.#load();
  }

  #known() {
    const { state } = this.#chat;
    const listed = state.listed.sort((a, b) => Number(b.unread > 0) - Number(a.unread > 0) || b.newest - a.newest);
    return listed.map((one) => this.#choice(one.of, one.unread ? `${one.unread} unread` : "", 0));
  }

  /** Add what is not among the conversations. */
  async #load() {
    try {
      const [{ rooms }, { people }] = await Promise.all([
        this.#chat.request({ t: "rooms" }),
        this.#chat.request({ t: "who", limit: 500 }),
      ]);
      const known = new Set(this.#all.map((choice) => choice.of));
      for (const { name, joined } of rooms) {
        if (!known.has(name)) this.#all.push(this.#choice(name, joined ? "" : "join", 1));
      }
      for (const { user, state = "here" } of people) {
        if (!known.has(user) && user !== this.#chat.me) this.#all.push(this.#choice(user, state, 2));
      }
      this.#filter();
    } catch {
      // what is known will do
    }
  }

  /**
   * @param {string} of
   * @param {string} about
   * @param {number} rank
   * @returns {Choice}
   */
  #choice(of, about, rank) {
    const open = () => (about === "join" ? void openNamed(this.#chat, of, this.#onOpen) : this.#onOpen(of));
    return { of, about, rank, open };
  }

  #filter() {
    const words = this.#input.value.trim().toLowerCase();
    const bare = words.replace(/^[#@]/, "");
    const fit = (/** @type {Choice} */ { of }) => {
      const name = of.toLowerCase();
      if (words.startsWith("#") && !name.startsWith("#")) return 9;
      if (words.startsWith("@") && name.startsWith("#")) return 9;
      const plain = name.replace(/^#/, "");
      if (plain.startsWith(bare)) return 0;
      return plain.split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(bare)) ? 1 : plain.includes(bare) ? 2 : 9;
    };
    const found = this.#all.map((choice) => ({ choice, fits: fit(choice) })).filter(({ fits }) => fits < 9);
    // The sort is stable: what is as good stays in the order in which it is known.
    found.sort((a, b) => a.fits - b.fits || a.choice.rank - b.choice.rank);
    this.#shown = found.slice(0, MOST).map(({ choice }) => choice);
    this.#at = 0;
    this.#draw();
  }

  #draw() {
    this.#list.replaceChildren(
      ...this.#shown.map((choice, index) =>
        el(
          "li",
          {
            id: `switcher-${index}`,
            role: "option",
            class: "row",
            "aria-selected": String(index === this.#at),
            onclick: () => this.#open(choice),
          },
          el("span", { class: "name", dir: "auto" }, printableLine(choice.of)),
          el("span", { class: "faint" }, choice.about),
        ),
      ),
    );
    const any = this.#shown.length > 0;
    if (any) this.#input.setAttribute("aria-activedescendant", `switcher-${this.#at}`);
    else this.#input.removeAttribute("aria-activedescendant");
    this.#none.textContent = any ? "" : `Enter looks for "${printableLine(this.#input.value.trim())}" on the server.`;
    this.#list.hidden = !any;
    document.getElementById(`switcher-${this.#at}`)?.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing) return;
    const steps = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 });
    const step = steps[event.key];
    if (step !== undefined && this.#shown.length > 0) {
      this.#at = (this.#at + step + this.#shown.length) % this.#shown.length;
      this.#draw();
    } else if (event.key === "Enter") {
      this.#open(this.#shown[this.#at]);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {Choice | undefined} choice */
  #open(choice) {
    const name = this.#input.value.trim();
    if (choice === undefined && name === "") return;
    this.#chosen = choice ? choice.open : () => void openNamed(this.#chat, name, this.#onOpen);
    this.dialog.close();
  }
}
