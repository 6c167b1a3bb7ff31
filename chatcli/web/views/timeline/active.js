/** The message that is pointed at or has the focus: its toolbar, and what keys do there. */

import { el } from "../parts/dom.js";
import { timeLink, permalink } from "./message.js";
import { fullTime } from "../parts/times.js";

/** @import { Entry, Stretch } from "./stretch.js" */
/** @import { Message } from "../../core/frames.js" */

/**
 * What can be done with a message.
 *
 * @typedef {object} Actions
 * @property {(message: Message) => void} reply
 * @property {(message: Message, toolbar: HTMLElement) => void} more opens the menu
 * @property {() => void} older is called at the first message
 * @property {() => string} of the conversation
 */

const CONTROLS = "a, button";

export class Active {
  #stretch;
  #actions;
  /** @type {Entry | undefined} */
  #entry;
  /** @type {Element | null} */
  #tabbable = null;
  #time = el("span");
  #more = el("button", { type: "button", "aria-label": "More", "aria-haspopup": "menu" }, "⋯");
  #toolbar = el(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "Message", "aria-live": "off" },
    this.#time,
    el("button", { type: "button", onclick: () => this.#reply() }, "Reply"),
    this.#more,
  );

  /**
   * @param {HTMLElement} log
   * @param {Stretch} stretch
   * @param {Actions} actions
   */
  constructor(log, stretch, actions) {
    this.#stretch = stretch;
    this.#actions = actions;
    this.#more.addEventListener("click", () => this.#menu());
    log.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#show(event.target));
    log.addEventListener("pointerleave", () => this.#show(document.activeElement));
    log.addEventListener("focusin", (event) => this.#focused(event.target));
    log.addEventListener("keydown", (event) => this.#key(event, log));
    log.addEventListener("contextmenu", (event) => this.#context(event));
  }

  /**
   * Give the focus to a message.
   *
   * @param {Entry} entry
   */
  focus(entry) {
    entry.node.focus({ preventScroll: true });
    entry.node.scrollIntoView({ block: "nearest" });
  }

  /** @param {EventTarget | null} target */
  #show(target) {
    const entry = this.#stretch.of(target);
    if (entry === this.#entry && this.#toolbar.isConnected) return;
    this.#entry = entry;
    this.#toolbar.remove();
    const message = entry?.message;
    if (entry === undefined || message === undefined) return;
    const link = timeLink(message.at, permalink(this.#actions.of(), message.seq));
    link.title = fullTime(message.at);
    link.tabIndex = 0;
    this.#time.replaceChildren(link);
    entry.node.append(this.#toolbar);
  }

  /**
   * Let the links and buttons of one message be reached by Tab: a stop at each link of a day would be too many.
   *
   * @param {EventTarget | null} target
   */
  #focused(target) {
    const node = this.#stretch.of(target)?.node ?? null;
    if (node !== this.#tabbable) {
      for (const control of this.#tabbable?.querySelectorAll(CONTROLS) ?? []) setTab(control, -1);
      for (const control of node?.querySelectorAll(CONTROLS) ?? []) setTab(control, 0);
      this.#tabbable = node;
    }
    this.#show(target);
    for (const control of this.#toolbar.querySelectorAll(CONTROLS)) setTab(control, 0);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {HTMLElement} log
   */
  #key(event, log) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const entry = this.#stretch.of(event.target);
    const onMessage = entry !== undefined && event.target === entry.node;
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      this.#move(event.key === "ArrowUp" ? -1 : 1, entry, log);
    } else if (event.key === "Enter" && onMessage) {
      event.preventDefault();
      this.#reply();
    } else if ((event.key === "." || (event.key === "F10" && event.shiftKey)) && onMessage) {
      event.preventDefault();
      this.#menu();
    } else if (event.key === "Escape" && entry !== undefined && !onMessage) {
      entry.node.focus();
    }
  }

  /**
   * @param {-1 | 1} step
   * @param {Entry | undefined} from
   * @param {HTMLElement} log
   */
  #move(step, from, log) {
    const box = log.getBoundingClientRect();
    const seen = this.#stretch.between(box.top, box.bottom);
    let to = from === undefined ? seen?.[step === -1 ? 1 : 0] : this.#stretch.beside(from, step);
    while (to !== undefined && to.message === undefined) to = this.#stretch.beside(to, step);
    if (to !== undefined) this.focus(to);
    else if (step === -1) this.#actions.older();
  }

  /** @param {MouseEvent} event */
  #context(event) {
    const touched = /** @type {Partial<PointerEvent>} */ (event).pointerType === "touch";
    const entry = this.#stretch.of(event.target);
    if (!touched || entry === undefined || (event.target instanceof Element && event.target.closest("a"))) return;
    event.preventDefault();
    this.#show(event.target);
    this.#menu();
  }

  #reply() {
    if (this.#entry?.message) this.#actions.reply(this.#entry.message);
  }

  #menu() {
    if (this.#entry?.message) this.#actions.more(this.#entry.message, this.#more);
  }
}

/**
 * @param {Element} control
 * @param {number} tabIndex
 */
function setTab(control, tabIndex) {
  control.setAttribute("tabindex", String(tabIndex));
}
