/** The state of the connection, and short notices. */

import { el } from "./parts/dom.js";
import { printable } from "./parts/text.js";

/** @import { Chat } from "../core/chat.js" */

const NOTICE_FOR = 8000; // ms
const MOST_NOTICES = 4; // at once
const CALM = 1000; // ms without a connection before anything is said: most are back by then
const MANY_SECONDS = 3; // of waiting that are worth counting down

export class Status {
  #chat;
  /** The announcement for screen readers: it does not change while one waits. */
  #line = el("p", { role: "status" });
  #countdown = el("span", { class: "countdown", "aria-hidden": "true" });
  #again = el("button", { type: "button", hidden: true, onclick: () => this.#try() }, "Try now");
  #bar = el("div", { class: "connection" }, this.#line, this.#countdown, this.#again);
  #shown = false;
  #notices = el("div", { class: "notices", "aria-live": "polite" });
  #ticker = 0;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.root = el("div", { class: "status" }, this.#bar, this.#notices);
    chat.on("phase", () => this.#moved());
    chat.on("notice", ({ text, failed }) => this.notice(text, failed));
  }

  /**
   * Show a sentence for a while.
   *
   * @param {string} text
   * @param {boolean} failed
   */
  notice(text, failed = false) {
    const close = () => node.remove();
    const words = el("span", {}, printable(text));
    for (const other of this.#notices.children) if (other.firstChild?.textContent === words.textContent) other.remove();
    const node = el(
      "p",
      { class: failed ? "notice failed" : "notice" },
      words,
      el("button", { type: "button", "aria-label": "Close", onclick: close }, "✕"),
    );
    this.#notices.append(node);
    if (this.#notices.childElementCount > MOST_NOTICES) this.#notices.firstElementChild?.remove();
    setTimeout(close, NOTICE_FOR + text.length * 60);
  }

  /** Say soon that there is no connection, unless it is back by then; and at once if it has been said already. */
  #moved() {
    clearTimeout(this.#ticker);
    const { phase } = this.#chat;
    if (phase === "ready" || phase === "idle" || phase === "ended")
      this.#shown = false; // a bar says why it has ended
    else if (!this.#shown && phase !== "refused") this.#ticker = setTimeout(() => this.#show(), CALM);
    else this.#shown = true;
    this.#draw();
  }

  #show() {
    this.#shown = true;
    this.#draw();
  }

  #try() {
    this.#chat.wake();
    this.#draw();
  }

  #draw() {
    const { phase, retryAt } = this.#chat;
    const words = this.#shown ? this.#words() : "";
    if (this.#line.textContent !== words) this.#line.textContent = words;
    const left = Math.ceil((retryAt - Date.now()) / 1000);
    const waits = this.#shown && phase === "waiting" && left > 0;
    this.#countdown.textContent = waits && left >= MANY_SECONDS ? `Next attempt in ${left} s.` : "";
    this.#again.hidden = !waits;
    if (!waits) return;
    clearTimeout(this.#ticker);
    this.#ticker = setTimeout(() => this.#draw(), 1000);
  }

  #words() {
    const { phase, reason, me } = this.#chat;
    if (phase === "refused") return printable(reason?.message ?? "");
    if (phase === "connecting" && !this.#line.textContent) return "Connecting…";
    if (phase === "connecting") return this.#line.textContent ?? "";
    const kept = me === "" ? "" : " What you write is kept and sent then.";
    if (reason?.code === "stopping") return `The server is stopping, or starts anew; it is not reached.${kept}`;
    return `The server is not reached.${reason === null ? "" : ` It said: ${printable(reason.message)}`}${kept}`;
  }
}
