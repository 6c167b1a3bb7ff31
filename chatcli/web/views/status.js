/** The state of the connection, and short notices. */

import { el } from "./dom.js";
import { printable } from "./text.js";

/** @import { Chat } from "../core/chat.js" */

const NOTICE_FOR = 8000; // ms

export class Status {
  #chat;
  #line = el("p", { class: "connection", role: "status", hidden: true });
  #notices = el("div", { class: "notices", "aria-live": "polite" });
  #ticker = 0;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.root = el("div", { class: "status" }, this.#line, this.#notices);
    chat.on("phase", () => this.#draw());
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
    const node = el(
      "p",
      { class: failed ? "notice failed" : "notice" },
      printable(text),
      el("button", { type: "button", "aria-label": "Close", onclick: close }, "✕"),
    );
    this.#notices.append(node);
    setTimeout(close, NOTICE_FOR + text.length * 60);
  }

  #draw() {
    clearTimeout(this.#ticker);
    const { phase, reason, retryAt } = this.#chat;
    this.#line.hidden = phase === "ready" || phase === "idle" || phase === "ended"; // a bar says why it has ended
    this.#line.replaceChildren();
    if (phase === "connecting") this.#line.textContent = "Connecting…";
    if (phase === "refused") this.#line.textContent = printable(reason?.message ?? "");
    if (phase === "waiting") {
      const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
      this.#line.append(
        `The server is not reached. Next attempt in ${seconds} s; what you write is kept and sent then. `,
        el("button", { type: "button", onclick: () => this.#chat.wake() }, "Try now"),
      );
      this.#ticker = setTimeout(() => this.#draw(), 1000);
    }
  }
}
