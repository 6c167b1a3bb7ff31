/** Coming in: a name, and what the server says to it. */

import { el } from "./parts/dom.js";
import { printable, printableLine } from "./parts/text.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Phase } from "../transport/connection.js" */
/** @import { Refused } from "../core/frames.js" */

/**
 * Codes that let somebody in, as an address has them behind its #.
 *
 * @typedef {{name?: string, invite?: string, link?: string, pin?: string}} Codes
 */

const HAVE = "I have a name here";
const NEW = "I am new here";

export class Entrance {
  #chat;
  #codes;
  #submitted;
  #durable;
  #name = field("name", "username");
  #invite = field("invite", "off");
  #inviteRow = el("p", { hidden: true }, el("label", { for: "invite" }, "Invitation"), this.#invite);
  #link = field("link", "off");
  #linkRow = el(
    "p",
    { hidden: true },
    el("label", { for: "link" }, "Code from another device"),
    this.#link,
    el("span", { class: "faint hint" }, "In a terminal ", el("code", {}, "chatcli key link"), " prints one; "),
    el("span", { class: "faint hint" }, "in another browser it is under Devices. A recovery token will do, too."),
  );
  #more = el("button", { type: "button", class: "link", onclick: () => this.#turn() }, HAVE);
  #lead = el("p", { class: "lead" });
  #problem = el("p", { class: "problem", role: "alert", hidden: true });
  #choices = el("p", { class: "choices", hidden: true });
  #join = el("button", { type: "submit" }, "Join");
  #loaded = false;
  /** Whether a name is asked for, now or as soon as the rest of the page is loaded. */
  #busy = false;
  /** The place that shows unsent messages. */
  unsent = el("div");

  /**
   * @param {Chat} chat
   * @param {object} options
   * @param {Codes} options.codes
   * @param {(name: string, codes: Codes) => void} options.onSubmit
   * @param {boolean} options.durable whether the key of this browser is kept
   */
  constructor(chat, { codes, onSubmit, durable }) {
    this.#chat = chat;
    this.#codes = codes;
    this.#submitted = onSubmit;
    this.#name.value = codes.name ?? "";
    this.#durable = durable;
    this.#lead.textContent = lead(codes, durable);
    this.root = el(
      "main",
      { class: "entrance" },
      el("h1", {}, "chatcli"),
      this.#lead,
      el(
        "form",
        { onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
        el("p", {}, el("label", { for: "name" }, "Name"), this.#name),
        this.#inviteRow,
        this.#linkRow,
        this.#problem,
        this.#choices,
        el("p", { class: "actions" }, this.#join, this.#more),
      ),
      this.unsent,
    );
    this.#more.hidden = codes.link !== undefined;
    this.#wait(false);
    chat.on("refused", (refusal) => this.#refused(refusal));
    chat.on("phase", (phase) => this.#moved(phase));
  }

  /** Whether nothing has been typed or tried here. */
  get untouched() {
    return this.#name.value === "" && this.#problem.hidden && this.#linkRow.hidden;
  }

  /** Let people in: what comes after the entrance is loaded. */
  open() {
    this.#loaded = true;
    this.#wait(this.#busy);
    if (this.#busy) this.#ask();
  }

  /** Say that nobody gets in, as what comes after the entrance could not be loaded. */
  close() {
    this.#wait(false);
    this.#join.disabled = true;
    this.#say("The server is not reached. Load the page again.");
  }

  focus() {
    (this.#name.value === "" ? this.#name : this.#join).focus();
  }

  /**
   * Ask for a name as if it was typed.
   *
   * @param {string} name
   * @param {Codes} [codes]
   */
  submit(name, codes) {
    this.#codes = codes ?? this.#codes;
    this.#name.value = name;
    this.root.querySelector("form")?.requestSubmit();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const name = this.#name.value.trim().replace(/^@/, "");
    if (this.#busy || this.#join.disabled) return;
    this.#problem.hidden = this.#choices.hidden = true;
    if (name === "") {
      this.#say("Choose a name first.");
      return this.#name.focus();
    }
    this.#wait(true);
    if (this.#loaded) this.#ask();
  }

  /** Ask the server for the name that stands there. */
  #ask() {
    this.#submitted(this.#name.value.trim().replace(/^@/, ""), {
      invite: this.#invite.value.trim() || this.#codes.invite,
      link: this.#link.value.trim() || this.#codes.link,
    });
  }

  /**
   * Say on the button that a name is asked for, or no more.
   *
   * @param {boolean} busy
   */
  #wait(busy) {
    this.#busy = busy;
    this.#join.ariaBusy = String(busy || !this.#loaded);
    this.#join.textContent = busy ? "Joining…" : "Join";
  }

  /** Ask for a code, or no more. */
  #turn() {
    if (this.#linkRow.hidden) return this.#askForLink();
    this.#linkRow.hidden = this.#problem.hidden = this.#choices.hidden = true;
    this.#link.value = "";
    this.#codes = { ...this.#codes, link: undefined };
    this.#more.textContent = HAVE;
    this.#lead.textContent = lead(this.#codes, this.#durable);
    this.#name.focus();
  }

  #askForLink() {
    this.#linkRow.hidden = false;
    this.#more.hidden = false;
    this.#more.textContent = NEW;
    this.#problem.hidden = this.#choices.hidden = true;
    this.#lead.textContent = "Come in under your name: this browser becomes one more of your devices.";
    (this.#name.value === "" ? this.#name : this.#link).focus();
  }

  /** @param {Phase} phase */
  #moved(phase) {
    if (phase === "waiting") this.#say("The server is not reached. It is tried again and again until it is.");
    if (phase === "ended") {
      this.#wait(false);
      this.#say(this.#chat.reason?.message ?? "");
    }
  }

  /** @param {string} text */
  #say(text) {
    this.#problem.textContent = printable(text);
    this.#problem.hidden = false;
  }

  /** @param {Refused} refusal */
  #refused(refusal) {
    const { code, names } = refusal;
    const name = printableLine(this.#name.value.trim() || this.#chat.me);
    const linked = this.#codes.link !== undefined || this.#link.value.trim() !== "";
    this.#wait(false);
    this.#name.value ||= this.#chat.me;
    if (code === "name_taken" && this.#chat.state.me !== "") {
      this.#say(
        `This browser is no device of ${name} any more. Come in with a code from one that is, or under another name.`,
      );
      this.#offerCode(name);
    } else if (code === "name_taken") {
      this.#say(
        `${name} is taken. Choose another name; or, if it is yours, come in with a code from a device that has it.`,
      );
      this.#offerCode(name);
    } else if (code === "bad_code" && linked) {
      this.#codes = { ...this.#codes, link: undefined };
      this.#askForLink();
      this.#say("That code is wrong, used up or too old: make another one on a device of yours.");
    } else {
      this.#say(refusal.message);
    }
    if (code === "invitation_required")
      this.#say("This server takes new names by invitation only. Ask its operator for one.");
    if (code === "invitation_required" || (code === "bad_code" && !linked)) this.#inviteRow.hidden = false;
    this.#offer(names);
    this.#focusField(code);
  }

  /** @param {string} name that may be theirs */
  #offerCode(name) {
    if (this.#linkRow.hidden) this.#more.textContent = `I am ${name}`;
  }

  /** @param {string} code */
  #focusField(code) {
    const asked =
      !this.#linkRow.hidden && code === "bad_code" ? this.#link : this.#inviteRow.hidden ? this.#name : this.#invite;
    asked.focus();
    asked.select();
  }

  /** @param {string[]} names that are free */
  #offer(names) {
    const buttons = names.map((name) =>
      el("button", { type: "button", onclick: () => this.submit(name) }, printableLine(name)),
    );
    this.#choices.replaceChildren(...buttons, names.length === 1 ? "is free" : "are free");
    this.#choices.hidden = names.length === 0;
  }
}

/**
 * @param {string} id
 * @param {AutoFill} autocomplete
 */
function field(id, autocomplete) {
  return el("input", {
    type: "text",
    id,
    autocomplete,
    spellcheck: false,
    autocapitalize: "none",
    maxLength: 256,
    dir: "auto",
  });
}

/**
 * @param {Codes} codes
 * @param {boolean} durable
 */
function lead({ name, invite, link }, durable) {
  if (link !== undefined)
    return `Come in as ${printableLine(name ?? "")}: this browser becomes one more of your devices.`;
  const kept = durable ? "in this browser" : "as long as this tab is open: this browser keeps nothing for this page";
  return `${invite ? "You are invited. " : ""}Choose a name. It is yours from then on, ${kept}.`;
}
