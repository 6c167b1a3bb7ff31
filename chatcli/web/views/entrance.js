/** Coming in: a name, and what the server says to it. */

import { el } from "./dom.js";
import { printable } from "./text.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Refused } from "../core/frames.js" */

export class Entrance {
  #chat;
  #codes;
  #name = el("input", { type: "text", id: "name", autocomplete: "username", spellcheck: false, required: true });
  #invite = el("input", { type: "text", id: "invite", autocomplete: "off", spellcheck: false });
  #inviteRow = el("p", { hidden: true }, el("label", { for: "invite" }, "Invitation"), this.#invite);
  #problem = el("p", { class: "problem", role: "alert", hidden: true });
  #choices = el("p", { class: "choices", hidden: true });
  #join = el("button", { type: "submit" }, "Join");

  /**
   * @param {Chat} chat
   * @param {{name?: string, invite?: string, link?: string}} codes as the address has them
   */
  constructor(chat, codes) {
    this.#chat = chat;
    this.#codes = codes;
    this.#name.value = codes.name ?? "";
    this.#invite.value = codes.invite ?? "";
    this.root = el(
      "main",
      { class: "entrance" },
      el("h1", {}, "chatcli"),
      el("p", { class: "lead" }, "Choose a name. It is yours from then on, in this browser."),
      el(
        "form",
        { onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
        el("p", {}, el("label", { for: "name" }, "Name"), this.#name),
        this.#inviteRow,
        this.#problem,
        this.#choices,
        this.#join,
      ),
    );
    chat.on("refused", (refusal) => this.#refused(refusal));
  }

  focus() {
    this.#name.focus();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    this.#problem.hidden = this.#choices.hidden = true;
    this.#join.disabled = true;
    const invite = this.#invite.value.trim() || undefined;
    void this.#chat.login(this.#name.value.trim(), { invite, link: this.#codes.link });
  }

  /** @param {Refused} refusal */
  #refused(refusal) {
    this.#join.disabled = false;
    this.#problem.textContent = printable(refusal.message);
    this.#problem.hidden = false;
    if (refusal.code === "bad_code" || refusal.code === "invitation_required") this.#inviteRow.hidden = false;
    this.#choices.replaceChildren(
      ...refusal.names.map((name) =>
        el(
          "button",
          {
            type: "button",
            onclick: () => {
              this.#name.value = name;
              this.root.querySelector("form")?.requestSubmit();
            },
          },
          name,
        ),
      ),
    );
    this.#choices.hidden = refusal.names.length === 0;
    this.#name.focus();
  }
}
