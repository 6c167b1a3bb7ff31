/** Searching messages. */

import { Refused } from "../../core/frames.js";
import { pathOf } from "../../core/paths.js";
import { openDialog } from "../parts/dialog.js";
import { el, hue } from "../parts/dom.js";
import { printable, printableLine } from "../parts/text.js";
import { fullTime, shortTime } from "../parts/times.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Message } from "../../core/frames.js" */

const PAGE = 20; // results
const BEFORE = 60; // characters before the first word that was found
const SHOWN = 240; // characters of a text

/** The last query, which is there again when one comes back from a result. */
const last = { text: "", from: "", everywhere: false };

/**
 * Open the search.
 *
 * @param {Chat} chat
 * @param {{onOpen: (of: string, at: number) => void}} actions
 */
export function openSearch(chat, { onOpen }) {
  new Search(chat, onOpen);
}

class Search {
  #chat;
  #onOpen;
  #of;
  /** The query that the results belong to. @type {Record<string, any>} */
  #query = {};
  #before = 0;
  #turn = 0;
  #text = el("input", { type: "text", id: "search-text", autocomplete: "off", required: true, maxLength: 1000 });
  #from = el("input", { type: "text", id: "search-by", autocomplete: "off", spellcheck: false });
  #where = el("select", { id: "search-where" });
  #results = el("ol", { class: "results", "aria-label": "Results" });
  #state = el("p", { class: "faint", role: "status" });
  #problem = el("p", { class: "problem", role: "alert", hidden: true });
  #more = el("button", { type: "button", hidden: true, onclick: () => void this.#load() }, "More");

  /**
   * @param {Chat} chat
   * @param {(of: string, at: number) => void} onOpen
   */
  constructor(chat, onOpen) {
    this.#chat = chat;
    this.#onOpen = onOpen;
    this.#of = chat.current?.of;
    if (this.#of !== undefined) this.#where.append(el("option", { value: "here" }, `In ${printableLine(this.#of)}`));
    this.#where.append(el("option", { value: "everywhere" }, "Everywhere"));
    this.#where.value = last.everywhere || this.#of === undefined ? "everywhere" : "here";
    this.#text.value = last.text;
    this.#from.value = last.from;
    this.dialog = openDialog("Search", [this.#form(), this.#problem, this.#state, this.#results, this.#more], {
      wide: true,
    });
    this.dialog.classList.add("search");
    this.#text.focus();
    this.#text.select();
    if (last.text !== "") this.#begin();
  }

  #form() {
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#begin();
    };
    return el(
      "form",
      { class: "fields", onsubmit: submit },
      el("label", { for: "search-text" }, "Words"),
      this.#text,
      el(
        "p",
        { class: "faint" },
        "All words have to be in the message. ",
        el("code", {}, "deploy*"),
        " finds words that begin so, ",
        el("code", {}, '"disk full"'),
        " finds words next to each other.",
      ),
      el(
        "div",
        { class: "pair" },
        el("p", {}, el("label", { for: "search-where" }, "Where"), this.#where),
        el("p", {}, el("label", { for: "search-by" }, "By (a person, or empty)"), this.#from),
      ),
      el("p", {}, el("button", { type: "submit" }, "Search")),
    );
  }

  #begin() {
    const text = this.#text.value.trim();
    if (text === "") return;
    const everywhere = this.#where.value === "everywhere";
    const from = this.#from.value.trim().replace(/^@/, "");
    Object.assign(last, { text, from, everywhere });
    this.#query = { text, in: everywhere ? undefined : this.#of, from: from || undefined };
    this.#before = 0;
    this.#results.replaceChildren();
    void this.#load();
  }

  async #load() {
    const turn = ++this.#turn;
    this.#problem.hidden = this.#more.hidden = true;
    this.#state.textContent = "Searching…";
    try {
      const before = this.#before || undefined;
      const { messages, more } = await this.#chat.request({ t: "search", ...this.#query, before, limit: PAGE });
      if (turn === this.#turn) this.#show(messages, more);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#state.textContent = "";
      this.#problem.textContent = error instanceof Error ? printable(error.message) : "";
      if (error instanceof Refused && error.names.length > 0) this.#problem.append(...this.#suggestions(error.names));
      this.#problem.hidden = false;
    }
  }

  /** @param {string[]} names */
  #suggestions(names) {
    const use = (/** @type {string} */ name) => {
      this.#from.value = name;
      this.#begin();
    };
    return names.flatMap((name) => [
      " ",
      el("button", { type: "button", onclick: () => use(name) }, printableLine(name)),
    ]);
  }

  /**
   * @param {Message[]} messages
   * @param {boolean} more
   */
  #show(messages, more) {
    this.#before = messages.at(-1)?.seq ?? 0;
    this.#results.append(...messages.map((message) => this.#result(message)));
    const count = this.#results.childElementCount;
    this.#more.hidden = !more;
    const words = `${count} ${count === 1 ? "message" : "messages"}`;
    this.#state.textContent = count === 0 ? "No message has these words." : more ? `${words}, and older ones` : words;
  }

  /** @param {Message} message */
  #result(message) {
    const of = this.#chat.state.place(message);
    const open = (/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.dialog.close();
      this.#onOpen(of, message.seq);
    };
    return el(
      "li",
      {},
      el(
        "a",
        { class: "result", href: `${pathOf(of)}?at=${message.seq}`, onclick: open },
        el("span", { class: `author hue-${hue(message.from)}`, dir: "auto" }, printableLine(message.from)),
        el("span", { class: "faint", dir: "auto" }, ` in ${printableLine(of)}, `),
        el(
          "time",
          { class: "faint", dateTime: new Date(message.at).toISOString(), title: fullTime(message.at) },
          shortTime(message.at),
        ),
        el("span", { class: "found", dir: "auto" }, ...excerpt(message.text, this.#query["text"])),
      ),
    );
  }
}

/**
 * Return the part of a text around the words that were found, with these marked.
 *
 * @param {string} text
 * @param {string} query
 * @returns {(Node | string)[]}
 */
export function excerpt(text, query) {
  const line = printableLine(text.replace(/\s*\n\s*/g, " "));
  const words = query.match(/[\p{L}\p{N}_]+/gu) ?? [];
  if (words.length === 0) return [line.slice(0, SHOWN)];
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])(${words.join("|")})`, "giu");
  const first = line.search(pattern);
  const from = first > BEFORE * 2 ? first - BEFORE : 0;
  const part = line.slice(from, from + SHOWN);
  const nodes = part.split(pattern).map((piece, index) => (index % 2 ? el("mark", {}, piece) : piece));
  return [from > 0 ? "…" : "", ...nodes, from + SHOWN < line.length ? "…" : ""];
}
