/** Bars over the page: what somebody should know and decide, without being stopped by it. */

import { el } from "./dom.js";
import { printable } from "./text.js";

/** A button of a bar: its words, and what it does; the bar stays open. @typedef {[string, () => unknown]} Action */

export class Bars {
  /** @type {Map<string, HTMLElement>} */
  #bars = new Map();

  constructor() {
    this.root = el("div", { class: "bars", "aria-live": "polite" });
  }

  /**
   * Show a bar, in the place of the one with the same name.
   *
   * @param {string} name
   * @param {string} text
   * @param {Action[]} actions
   * @param {{loud?: boolean}} [options]
   */
  show(name, text, actions, { loud = false } = {}) {
    const buttons = actions.map(([words, run]) =>
      el("button", { type: "button", onclick: () => void run() }, printable(words)),
    );
    const bar = el(
      "section",
      { class: loud ? "bar loud" : "bar", "aria-label": "Notice" },
      el("p", {}, printable(text)),
      el("div", { class: "choices" }, ...buttons),
    );
    this.hide(name);
    this.#bars.set(name, bar);
    this.root.append(bar);
  }

  /** @param {string} name */
  hide(name) {
    this.#bars.get(name)?.remove();
    this.#bars.delete(name);
  }
}
