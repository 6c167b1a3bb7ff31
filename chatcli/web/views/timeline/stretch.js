/**
 * The messages of a timeline that are in the page: a stretch without holes, in sections that the browser lays out, or
 * leaves out, as a whole. Day headings, the line "new" and the grouping by person hold wherever something is put in
 * or taken away.
 */

import { el } from "../parts/dom.js";
import { bisect, estimatedHeight } from "./geometry.js";
import { dayName, dayOf } from "../parts/times.js";

/** @import { Message } from "../../core/frames.js" */
/** @import { Note } from "../../core/conversation.js" */

const SECTION = 100; // messages in a section
const TOGETHER = 5 * 60_000; // ms within which messages of one person stand under one name
const MOST_FRESH = 300; // items whose sizes are all taken at once
const SETTLED = 2; // frames after which the size of a section is known

/**
 * What stands in a timeline: a message or a quiet line.
 *
 * @typedef {{seq: number, at: number, message?: Message, note?: Note}} Item
 */

/** @typedef {Item & {node: HTMLElement, day: HTMLElement | null, asked?: boolean}} Entry */
/** @typedef {{node: HTMLElement, entries: Entry[]}} Section */

export class Stretch {
  #make;
  #makeHead;
  /** @type {Section[]} */
  #sections = [];
  #new = el("p", { class: "new-line", role: "separator", "aria-label": "New messages" }, el("span", {}, "New"));
  /** @type {number | null} */
  #marker = null;
  #me = "";

  /**
   * @param {(item: Item) => HTMLElement} make makes the node of an item
   * @param {(message: Message) => HTMLElement} makeHead makes the head of a message that does not follow one of its author
   */
  constructor(make, makeHead) {
    this.#make = make;
    this.#makeHead = makeHead;
    this.root = el("div", { class: "sections" });
    this.size = 0;
    /** Width of the timeline, in pixels. */
    this.width = 800;
    /** Whether nothing is before these messages. */
    this.atStart = false;
  }

  /** @returns {Entry | undefined} */
  get first() {
    return this.#sections[0]?.entries[0];
  }

  /** @returns {Entry | undefined} */
  get last() {
    return this.#sections.at(-1)?.entries.at(-1);
  }

  /** The line "new", if it is to be seen. */
  get line() {
    return this.#new.isConnected ? this.#new : null;
  }

  /** All entries, the newest first. */
  *backwards() {
    for (let at = this.#sections.length - 1; at >= 0; at -= 1) {
      const { entries } = /** @type {Section} */ (this.#sections[at]);
      for (let place = entries.length - 1; place >= 0; place -= 1) yield /** @type {Entry} */ (entries[place]);
    }
  }

  clear() {
    this.#sections = [];
    this.size = 0;
    this.#new.remove();
    this.root.replaceChildren();
  }

  /**
   * Put the line "new" after a message of others, and move it when it is said again.
   *
   * @param {number | null} marker the `seq` after which it stands
   * @param {string} me whose messages are not new
   */
  mark(marker, me) {
    if (marker === this.#marker && me === this.#me) return;
    this.#marker = marker;
    this.#me = me;
    const before = this.#new.nextElementSibling;
    this.#new.remove();
    if (before !== null) this.#decorate(this.find(Number(before.getAttribute("data-seq"))));
    this.#placeMarker();
  }

  /**
   * Put items behind all others.
   *
   * @param {Item[]} items
   */
  append(items) {
    const last = this.last?.seq ?? -1;
    items = items.filter(({ seq }, at) => seq > last && seq !== items[at - 1]?.seq);
    for (let from = 0; from < items.length;) {
      let section = this.#sections.at(-1);
      if (section === undefined || section.entries.length >= SECTION) {
        section = this.#section(items.length <= MOST_FRESH);
        this.#sections.push(section);
        this.root.append(section.node);
      }
      const part = items.slice(from, from + SECTION - section.entries.length);
      this.#fill(section, section.entries.length, part);
      from += part.length;
    }
    this.#placeMarker();
  }

  /**
   * Put items before all others.
   *
   * @param {Item[]} items
   */
  prepend(items) {
    const first = this.first?.seq ?? Infinity;
    items = items.filter(({ seq }) => seq < first);
    for (let to = items.length; to > 0; to -= SECTION) {
      const section = this.#section(true);
      this.#sections.unshift(section);
      this.root.prepend(section.node);
      this.#fill(section, 0, items.slice(Math.max(0, to - SECTION), to));
    }
    this.#placeMarker();
  }

  /**
   * Put an item where its `seq` belongs.
   *
   * @param {Item} item
   */
  insert(item) {
    const section = this.#sections.findLast(({ entries }) => (entries[0]?.seq ?? 0) <= item.seq) ?? this.#sections[0];
    if (section === undefined || section.entries.some(({ seq }) => seq === item.seq)) return;
    const behind = section.entries.findIndex(({ seq }) => seq > item.seq);
    this.#fill(section, behind === -1 ? section.entries.length : behind, [item]);
    this.#placeMarker();
  }

  /** Take away the oldest section; return its number of messages. */
  dropFirst() {
    const dropped = this.#drop(this.#sections.shift());
    this.#decorate(this.first);
    return dropped;
  }

  /** Take away the newest section; return its number of messages. */
  dropLast() {
    return this.#drop(this.#sections.pop());
  }

  /**
   * Return the entry with a `seq`, or undefined.
   *
   * @param {number} seq
   */
  find(seq) {
    const section = this.#sections.findLast(({ entries }) => (entries[0]?.seq ?? 0) <= seq);
    return section?.entries.find((entry) => entry.seq === seq);
  }

  /**
   * Return the entry of which a node is, or is within.
   *
   * @param {EventTarget | null} target
   */
  of(target) {
    const node = target instanceof Element ? target.closest("[data-seq]") : null;
    return node === null ? undefined : this.find(Number(node.getAttribute("data-seq")));
  }

  /**
   * Return the entry beside another one.
   *
   * @param {Entry} entry
   * @param {-1 | 1} step
   */
  beside(entry, step) {
    const at = this.#sections.findIndex(({ node }) => node === entry.node.parentElement);
    const section = this.#sections[at];
    const within = section?.entries[section.entries.indexOf(entry) + step];
    return within ?? (step === 1 ? this.#sections[at + 1]?.entries[0] : this.#sections[at - 1]?.entries.at(-1));
  }

  /**
   * Return the entries whose ends are between two heights on the screen: the first and the last of them.
   *
   * @param {number} top
   * @param {number} bottom
   * @returns {[Entry, Entry] | null}
   */
  between(top, bottom) {
    /** @type {Entry | undefined} */
    let first;
    /** @type {Entry | undefined} */
    let last;
    for (const { node, entries } of this.#sections) {
      const box = node.getBoundingClientRect();
      if (box.bottom < top || box.top > bottom) continue;
      const from = bisect(entries, top);
      const to = bisect(entries, bottom + 1);
      first ??= entries[from];
      last = entries[to - 1] ?? last;
    }
    return first === undefined || last === undefined || last.seq < first.seq ? null : [first, last];
  }

  /**
   * Return a new section.
   *
   * @param {boolean} fresh whether its size is taken before it may be left out
   * @returns {Section}
   */
  #section(fresh) {
    const node = el("section", { class: fresh ? "section fresh" : "section" });
    if (!fresh) return { node, entries: [] };
    let frames = SETTLED;
    const settle = () => {
      frames -= 1;
      if (frames === 0) node.classList.remove("fresh");
      else requestAnimationFrame(settle);
    };
    requestAnimationFrame(settle);
    return { node, entries: [] };
  }

  /**
   * @param {Section} section
   * @param {number} at
   * @param {Item[]} items
   */
  #fill(section, at, items) {
    const entries = items.map((item) => ({ ...item, node: this.#make(item), day: null }));
    const behind = section.entries[at];
    const nodes = entries.map(({ node }) => node);
    if (behind === undefined) section.node.append(...nodes);
    else this.#head(behind).before(...nodes);
    section.entries.splice(at, 0, ...entries);
    this.size += entries.length;
    const last = entries.at(-1);
    let before = entries[0] && this.beside(entries[0], -1);
    for (const entry of entries) {
      this.#decorate(entry, before);
      before = entry;
    }
    if (last !== undefined) this.#decorate(this.beside(last, 1), last);
    if (items.length > 1)
      section.node.style.containIntrinsicSize = `auto ${estimatedHeight(section.entries, this.width)}px`;
  }

  /**
   * Return the first node that belongs to an entry: its day, the line "new" or itself.
   *
   * @param {Entry} entry
   */
  #head(entry) {
    if (entry.day !== null) return entry.day;
    return entry.node.previousSibling === this.#new ? this.#new : entry.node;
  }

  /**
   * Give an entry the heading of its day, if it is the first one, and leave the name away if it was just said.
   *
   * @param {Entry | undefined} entry
   * @param {Entry} [before]
   */
  #decorate(entry, before = entry && this.beside(entry, -1)) {
    if (entry === undefined) return;
    const { message, node } = entry;
    const newDay = before === undefined || dayOf(before.at) !== dayOf(entry.at);
    if (newDay && entry.day === null) {
      entry.day = el("h2", { class: "day" }, dayName(entry.at));
      (node.previousSibling === this.#new ? this.#new : node).before(entry.day);
    } else if (!newDay && entry.day !== null) {
      entry.day.remove();
      entry.day = null;
    }
    const joined =
      !newDay &&
      message !== undefined &&
      before?.message?.from === message.from &&
      message.re === undefined &&
      Math.abs(message.at - before.at) < TOGETHER &&
      node.previousSibling !== this.#new;
    node.classList.toggle("joined", joined);
    if (!joined && message && node.firstElementChild?.localName !== "header") node.prepend(this.#makeHead(message));
  }

  /** Put the line "new" before the first message that it concerns, if it is known which one that is. */
  #placeMarker() {
    const marker = this.#marker;
    const known = marker !== null && (this.atStart || (this.first?.seq ?? Infinity) <= marker);
    if (!known) return this.#new.remove();
    const at = this.#sections.findLastIndex(({ entries }) => (entries[0]?.seq ?? 0) <= marker);
    for (const { entries } of this.#sections.slice(Math.max(0, at))) {
      const entry = entries.find(({ seq, message }) => seq > marker && message && message.from !== this.#me);
      if (entry === undefined) continue;
      if (entry.node.previousSibling === this.#new) return;
      const before = this.#new.nextElementSibling;
      entry.node.before(this.#new);
      this.#decorate(entry);
      if (before !== null) this.#decorate(this.find(Number(before.getAttribute("data-seq"))));
      return;
    }
  }

  /** @param {Section | undefined} section */
  #drop(section) {
    if (section === undefined) return 0;
    section.node.remove();
    this.size -= section.entries.length;
    return section.entries.filter(({ message }) => message !== undefined).length;
  }
}
