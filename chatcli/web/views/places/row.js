/** One conversation in the list at the side: changed only where something else is to be seen. */

import { MANY } from "../../core/frames.js";
import { pathOf } from "../../core/paths.js";
import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

/** @import { Conversation } from "../../core/state.js" */

/**
 * @typedef {object} Context
 * @property {boolean} current whether it is open
 * @property {number} calling how many of the unread messages call
 * @property {boolean} quiet
 * @property {string} presence of a person: `here`, `away`, `gone`; empty for a room
 */

export class Row {
  #name;
  #seen = "";
  #dot = el("span", { class: "dot", hidden: true });
  #draft = el("span", { class: "draft", hidden: true, title: "Draft", "aria-hidden": true }, "✎");
  #count = el("span", { class: "count", hidden: true });
  #link;

  /** @param {string} of */
  constructor(of) {
    this.#name = printableLine(of);
    this.#link = el(
      "a",
      { href: pathOf(of), "data-of": of },
      this.#dot,
      el("span", { class: "name", dir: "auto" }, this.#name),
      this.#draft,
      " ", // parts the name from the count where only the text is taken
      this.#count,
    );
    this.root = el("li", {}, this.#link);
  }

  /**
   * Show how a conversation is now.
   *
   * @param {Conversation} conversation
   * @param {Context} context
   */
  update({ unread, mentions, asked, draft }, { current, calling, quiet, presence }) {
    const seen = [unread, mentions, asked, draft, current, calling, quiet, presence].join();
    if (seen === this.#seen) return;
    this.#seen = seen;
    const count = unread >= MANY ? `${MANY - 1}+` : String(unread);
    const words = [
      this.#name,
      unread && `${count} unread`,
      mentions && `${mentions} mentioning you`,
      asked && unread && "a question",
      draft && "draft",
      quiet && "quiet",
      presence,
    ];
    const bold = unread > 0 && !quiet;
    this.#link.className = `conversation${bold ? " unread" : ""}${quiet ? " quiet" : ""}`;
    this.#link.setAttribute("aria-label", words.filter(Boolean).join(", "));
    this.#link.ariaCurrent = current ? "page" : null;
    this.#dot.className = `dot ${presence}`;
    this.#dot.hidden = presence === "";
    this.#draft.hidden = !draft || current;
    this.#count.textContent = count;
    this.#count.className = calling ? "count loud" : "count";
    this.#count.hidden = unread === 0;
  }
}
