/** What a screen reader says by itself: each new message, or how many there are when many come. */

import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

const MOST = 4; // messages that are read out,
const WITHIN = 3000; // ms; of more, only the number is

export class Announcer {
  #log;
  #listens = true;
  #count = 0;
  #timer = 0;

  /** @param {HTMLElement} log */
  constructor(log) {
    this.#log = log;
    this.root = el("p", { class: "unseen", "aria-live": "polite" });
    log.setAttribute("aria-live", "off");
  }

  /**
   * Let new messages be read out, or not: only at the end are they what one is about to read.
   *
   * @param {boolean} listens
   */
  listen(listens) {
    this.#listens = listens;
    this.#set();
  }

  /**
   * Note that messages of others are put in.
   *
   * @param {string} of
   * @param {number} count
   */
  count(of, count) {
    if (count === 0) return;
    this.#count += count;
    this.#set();
    this.#timer ||= setTimeout(() => this.#sum(of), WITHIN);
  }

  #set() {
    this.#log.setAttribute("aria-live", this.#listens && this.#count <= MOST ? "polite" : "off");
  }

  /** @param {string} of */
  #sum(of) {
    const summed = !this.#listens || this.#count > MOST;
    const noun = this.#count === 1 ? "message" : "messages";
    this.root.textContent = summed ? `${this.#count} new ${noun} in ${printableLine(of)}` : "";
    this.#count = this.#timer = 0;
    this.#set();
  }
}
