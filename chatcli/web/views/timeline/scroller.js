/** Where one is in a timeline, and that nothing but whoever reads moves it: unless one is at the end, which is followed. */

/** @import { Place } from "../../core/conversation.js" */
/** @import { Stretch } from "./stretch.js" */

const AT_END = 40; // pixels from the end that count as the end

export class Scroller {
  #stretch;
  #top = 0; // where it was when it was last looked at
  #edge = 0; // where the upper edge of the window was then

  /**
   * @param {HTMLElement} log what is scrolled
   * @param {Stretch} stretch
   */
  constructor(log, stretch) {
    this.log = log;
    this.#stretch = stretch;
    /** Whether the end is followed. */
    this.follows = true;
    /** Whether the newest message is among those in the page: else there is no end to follow. */
    this.atEnd = true;
  }

  /** The distance to the end, in pixels. */
  get rest() {
    return this.log.scrollHeight - this.log.clientHeight - this.log.scrollTop;
  }

  /** Whether what is seen is nearer to the beginning than to the end. */
  get nearStart() {
    return this.log.scrollTop < this.rest;
  }

  /** The first and the last message whose end is on the screen. */
  get seen() {
    const box = this.log.getBoundingClientRect();
    return this.#stretch.between(box.top, box.bottom);
  }

  /** The place of the reader; null at the end. @returns {Place | null} */
  get place() {
    return this.follows ? null : this.#anchor();
  }

  toEnd() {
    this.#to(this.log.scrollHeight);
  }

  /**
   * Go to a place; return whether its message is here.
   *
   * @param {Place} place
   */
  to({ seq, offset }) {
    const node = this.#stretch.find(seq)?.node;
    if (node !== undefined) this.show(node, offset);
    return node !== undefined;
  }

  /**
   * Scroll so that a node stands below the upper edge.
   *
   * @param {HTMLElement} node
   * @param {number} offset pixels between them
   */
  show(node, offset) {
    const { log } = this;
    this.#to(log.scrollTop + node.getBoundingClientRect().top - log.getBoundingClientRect().top - offset);
  }

  /**
   * Make a change without moving what is seen; at the end, the end is what is seen.
   *
   * @param {() => void} change
   */
  hold(change) {
    const place = this.place;
    change();
    if (place === null && this.follows) this.toEnd();
    else if (place !== null) this.to(place);
  }

  /** Follow the end, if it was followed, to where it is now; else leave what is seen where it is on the screen. */
  resized() {
    const edge = this.log.getBoundingClientRect().top;
    const moved = edge - this.#edge;
    this.#edge = edge;
    if (this.follows) this.toEnd();
    else if (moved !== 0) this.#to(this.log.scrollTop + moved); // a bar came above it, or went
  }

  /** Note that somebody has scrolled, or that the browser has to keep what is seen in its place. */
  scrolled() {
    const { scrollTop } = this.log;
    const near = this.rest < AT_END;
    // Where messages are added, the end moves away although nobody has scrolled.
    if (near) this.follows = this.atEnd;
    else if (scrollTop < this.#top) this.follows = false;
    this.#top = scrollTop;
  }

  /** @param {number} top */
  #to(top) {
    this.log.scrollTop = top;
    this.#top = this.log.scrollTop;
    this.follows = this.atEnd && this.rest < AT_END;
  }

  /** @returns {Place | null} */
  #anchor() {
    const entry = this.seen?.[0];
    if (entry === undefined) return null;
    const offset = entry.node.getBoundingClientRect().top - this.log.getBoundingClientRect().top;
    return { seq: entry.seq, offset };
  }
}
