/** Names after an @: a list to choose from by Tab, arrows or a click, as assistive technology knows it from comboboxes. */

import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */

const MOST = 8; // names in the list
const FRESH = 60_000; // ms for which the members of a room are not asked for again
const RECENT = 200; // messages whose authors come first

export class Mentions {
  #chat;
  #field;
  #onChange;
  /** @type {string[]} */
  #names = [];
  #active = -1;
  #dismissed = "";
  /** @type {Map<string, {at: number, names: string[]}>} */
  #members = new Map();

  /**
   * @param {Chat} chat
   * @param {HTMLTextAreaElement} field
   * @param {() => void} onChange called when a name was put in
   */
  constructor(chat, field, onChange) {
    this.#chat = chat;
    this.#field = field;
    this.#onChange = onChange;
    this.list = el("ul", { class: "mentions", id: "mentions", role: "listbox", "aria-label": "Names", hidden: true });
    this.spoken = el("p", { class: "unseen", "aria-live": "polite" });
    this.root = el("div", { class: "completion" }, this.list, this.spoken);
    this.list.addEventListener("pointerdown", (event) => this.#clicked(event));
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-haspopup", "listbox");
    field.setAttribute("aria-controls", "mentions");
    field.addEventListener("click", () => this.update());
  }

  /** The text between the @ and the caret, or null. */
  #prefix() {
    const { value, selectionStart, selectionEnd } = this.#field;
    if (selectionStart !== selectionEnd) return null;
    return (
      /(?:^|[\s([{"'])[@\uff20]([^\s@:#,]{0,32})$/u.exec(
        value.slice(Math.max(0, selectionStart - 40), selectionStart),
      )?.[1] ?? null
    );
  }

  /** Show the names that fit what is written. */
  update() {
    const prefix = this.#prefix();
    if (prefix === null || prefix === this.#dismissed) return this.close();
    this.#dismissed = "";
    void this.#ask();
    const folded = prefix.toLowerCase();
    const known = this.#known();
    const fits = known.filter((name) => name.toLowerCase().startsWith(folded));
    this.#show(fits.slice(0, MOST));
    // Enter takes the first one, unless the name is there already, or nothing of it.
    if (fits.length > 0 && folded !== "" && !fits.some((name) => name.toLowerCase() === folded)) this.#select(0);
  }

  close() {
    this.#show([]);
  }

  /** Names that may be meant: who wrote here, the newest first, then who belongs here, then who is here. */
  #known() {
    const conversation = this.#chat.current;
    const authors =
      conversation?.messages
        .slice(-RECENT)
        .reverse()
        .map(({ from }) => from) ?? [];
    const members = conversation?.isRoom ? (this.#members.get(conversation.of)?.names ?? []) : [conversation?.of ?? ""];
    const here = [...this.#chat.state.people.values()].filter(({ state }) => state !== "gone").map(({ user }) => user);
    const names = new Set([...authors, ...members, ...here]);
    names.delete(this.#chat.me);
    names.delete("");
    return [...names];
  }

  /** Ask who belongs to the room, now and then. */
  async #ask() {
    const conversation = this.#chat.current;
    if (!conversation?.isRoom) return;
    const before = this.#members.get(conversation.of);
    if (before !== undefined && Date.now() - before.at < FRESH) return;
    this.#members.set(conversation.of, { at: Date.now(), names: before?.names ?? [] });
    try {
      const { people } = await this.#chat.request({ t: "who", to: conversation.of, limit: 500 });
      const names = people.map((/** @type {{user: string}} */ { user }) => user);
      this.#members.set(conversation.of, { at: Date.now(), names });
      if (document.activeElement === this.#field) this.update();
    } catch {
      this.#members.delete(conversation.of); // those who wrote here are known all the same
    }
  }

  /** @param {string[]} names */
  #show(names) {
    this.#names = names;
    this.#active = -1;
    this.list.hidden = names.length === 0;
    this.list.replaceChildren(
      ...names.map((name, at) =>
        el(
          "li",
          { id: `mention-${at}`, role: "option", "aria-selected": "false", "data-at": String(at) },
          printableLine(name),
        ),
      ),
    );
    this.#field.removeAttribute("aria-activedescendant");
    const words =
      names.length === 1 ? `${names[0]}: Tab completes` : names.length ? `${names.length} names, Tab completes` : "";
    this.spoken.textContent = printableLine(words);
  }

  /** @param {number} at */
  #select(at) {
    this.#active = (at + this.#names.length) % this.#names.length;
    [...this.list.children].forEach((option, index) =>
      option.setAttribute("aria-selected", String(index === this.#active)),
    );
    this.#field.setAttribute("aria-activedescendant", `mention-${this.#active}`);
    this.list.children[this.#active]?.scrollIntoView({ block: "nearest" });
  }

  /**
   * Take in a key; return whether it was for the list.
   *
   * @param {KeyboardEvent} event
   */
  key(event) {
    if (this.#names.length === 0 || event.ctrlKey || event.altKey || event.metaKey) return false;
    if (event.key === "ArrowDown") this.#select(this.#active + 1);
    else if (event.key === "ArrowUp") this.#select(this.#active === -1 ? -1 : this.#active - 1);
    else if (event.key === "Tab" && !event.shiftKey) this.#put(Math.max(0, this.#active));
    else if (event.key === "Enter" && this.#active !== -1) this.#put(this.#active);
    else if (event.key === "Escape") this.#dismiss();
    else return false;
    event.preventDefault();
    return true;
  }

  #dismiss() {
    this.#dismissed = this.#prefix() ?? "";
    this.close();
  }

  /** @param {number} at */
  #put(at) {
    const { value, selectionStart } = this.#field;
    const from = selectionStart - (this.#prefix()?.length ?? 0);
    const after = value.slice(selectionStart);
    this.#field.setRangeText(`${this.#names[at]}${/^\s/u.test(after) ? "" : " "}`, from, selectionStart, "end");
    this.close();
    this.#onChange();
  }

  /** @param {PointerEvent} event */
  #clicked(event) {
    const option = /** @type {HTMLElement} */ (event.target).closest("[data-at]");
    if (!(option instanceof HTMLElement)) return;
    event.preventDefault(); // the field keeps the focus
    this.#put(Number(option.dataset["at"]));
    this.#field.focus();
  }
}
