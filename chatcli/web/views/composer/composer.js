/** Where one writes: a text for the open conversation, kept as a draft until it is sent. */

import { needsThought, tooLong } from "../../core/lines.js";
import { el } from "../parts/dom.js";
import { start } from "../timeline/message.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Draft } from "../../storage/drafts.js" */
/** @import { Message } from "../../core/frames.js" */
/** @import { Pending } from "../../core/outbox.js" */
/** @import { Conversation } from "../../core/state.js" */
/** @import { Mentions } from "./mentions.js" */

const LINES = 10; // of the field, before it scrolls
const DIGIT = /^[0-9]$/;
const QUOTED = 100; // characters of a message that is replied to

/** A sentence above the field, with buttons. @typedef {{sentence: string, actions?: [string, () => void][]}} Hint */

export class Composer {
  #chat;
  #onOpen;
  /** @type {Conversation | null} */
  #conversation = null;
  /** @type {Draft["re"]} */
  #re;
  /** The digit, and the question, whose answer was announced. */
  #announced = "";
  /** The line that is being done, and its conversation. */
  #considered = "";
  /** @type {Mentions | null} */
  #mentions = null;
  #text = el("textarea", { rows: 1, autocomplete: "off", oninput: () => this.#changed() });
  #reply = el("p", { class: "replying", hidden: true });
  #hint = el("div", { class: "hint", "aria-live": "polite" });
  #send = el("button", { type: "submit", class: "send" }, "Send");
  #ask = el("button", { type: "button", class: "ask", title: "Ask a question with choices" }, "?");

  /**
   * @param {Chat} chat
   * @param {{onOpen: (of: string) => void}} actions
   */
  constructor(chat, { onOpen }) {
    this.#chat = chat;
    this.#onOpen = onOpen;
    this.#ask.setAttribute("aria-label", "Ask a question");
    this.#ask.addEventListener("click", () => void this.#openAsking());
    this.root = el(
      "form",
      { class: "composer", onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      this.#hint,
      this.#reply,
      el("div", { class: "row" }, this.#ask, this.#text, this.#send),
    );
    // Pressed by a finger, the button leaves the focus where it is: without it the keyboard would close.
    this.#send.addEventListener("mousedown", (event) => event.preventDefault());
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#text.addEventListener("beforeinput", (event) => this.#bound(event));
    this.#text.addEventListener("blur", () => this.#mentions?.close());
    chat.on("current", (conversation) => this.#open(conversation));
    chat.on("draft", (of) => this.#foreign(of));
    document.addEventListener("visibilitychange", () => chat.drafts.keep());
    window.addEventListener("pagehide", () => chat.drafts.keep());
  }

  focus() {
    this.#text.focus();
  }

  /** Whether nothing is written. */
  get empty() {
    return this.#text.value === "";
  }

  /**
   * Answer a message with what is written next.
   *
   * @param {Message} message
   */
  replyTo(message) {
    const { seq, from, text } = message;
    this.#showReply({ seq, from, text: start(text, QUOTED) });
    this.#write();
    this.focus();
  }

  /**
   * Put a message that was not sent back into the field.
   *
   * @param {Pending} pending
   */
  edit(pending) {
    this.#chat.discard(pending.id);
    const { to, text } = pending;
    if (to !== this.#conversation?.of) {
      const { text: before, ...rest } = this.#chat.drafts.get(to);
      this.#chat.drafts.write(to, { ...rest, text: before === "" ? text : `${text}\n${before}` });
      return;
    }
    const answered = this.#conversation.messages.find(({ seq }) => seq === pending.re);
    if (answered) this.#showReply({ ...answered, text: start(answered.text, QUOTED) });
    this.#fill(this.empty ? text : `${text}\n${this.#text.value}`);
    this.focus();
  }

  /**
   * Replace what is written.
   *
   * @param {string} text
   */
  #fill(text) {
    this.#text.value = text;
    this.#changed();
  }

  /** @param {Draft["re"]} re */
  #showReply(re) {
    this.#re = re;
    this.#reply.hidden = re === undefined;
    if (re === undefined) return;
    this.#reply.replaceChildren(
      el("span", {}, `Replying to ${printableLine(re.from)}: ${re.text}`),
      el("button", { type: "button", "aria-label": "Do not reply", onclick: () => this.#stopReply() }, "✕"),
    );
  }

  #stopReply() {
    this.#showReply(undefined);
    this.#write();
    this.focus();
  }

  /** @param {Conversation | null} conversation */
  #open(conversation) {
    if (conversation?.of !== this.#conversation?.of) {
      this.#chat.drafts.keep();
      this.hint(null);
      this.#mentions?.close();
    }
    this.#conversation = conversation;
    this.root.hidden = conversation === null;
    if (conversation === null) return;
    const name = printableLine(conversation.of);
    this.#text.setAttribute("aria-label", `Message to ${name}`);
    this.#text.placeholder = `Message to ${name}`;
    this.#read();
  }

  /**
   * Take in that another tab has changed a draft, or that drafts were read from the disk.
   *
   * @param {string} of
   */
  #foreign(of) {
    if (of === this.#conversation?.of) this.#read();
  }

  /** Show the draft of the open conversation. */
  #read() {
    const { text, re, epoch } = this.#chat.drafts.get(this.#conversation?.of ?? "");
    if (text !== this.#text.value) this.#text.value = text;
    this.#showReply(epoch === this.#chat.state.epoch ? re : undefined);
    this.#grow();
  }

  /** Pass on what is written. */
  #write() {
    if (this.#conversation === null) return;
    const draft = { text: this.#text.value, re: this.#re, epoch: this.#chat.state.epoch };
    this.#chat.drafts.write(this.#conversation.of, draft);
  }

  #changed() {
    this.#grow();
    this.#write();
    const problem = tooLong(this.#text.value, this.#chat.state.limits);
    this.hint(problem ? { sentence: problem } : null);
    if (DIGIT.test(this.#text.value)) void this.#hintAnswer(this.#text.value);
    const { value, selectionStart } = this.#text;
    if (this.#mentions === null && value.slice(0, selectionStart).endsWith("@")) void this.#loadMentions();
    this.#mentions?.update();
  }

  /**
   * Refuse what is pasted and could never be sent: a megabyte in the field would keep the browser busy for seconds.
   *
   * @param {InputEvent} event
   */
  #bound(event) {
    const pasted = event.data ?? event.dataTransfer?.getData("text/plain") ?? "";
    const { limits } = this.#chat.state;
    if (pasted.length <= limits.text * 2) return;
    event.preventDefault();
    this.hint({ sentence: `${tooLong(pasted, limits)} Nothing was pasted.` });
  }

  /**
   * Say what Enter does with a digit alone, if a question is open.
   *
   * @param {string} digit
   */
  async #hintAnswer(digit) {
    const answer = await this.#answerOf(digit);
    if (answer === null || this.#text.value !== digit) return;
    this.#announced = `${digit} ${answer.seq}`;
    this.hint({ sentence: `Enter answers the question of ${answer.asker} with "${answer.words}".` });
  }

  /**
   * Return the choice of the newest open question that a digit stands for, or null.
   *
   * @param {string} digit
   */
  async #answerOf(digit) {
    const conversation = this.#conversation;
    if (!conversation?.messages.some(({ choices }) => choices)) return null;
    const { newestOpen, choiceOf, answerIt } = await import("../timeline/questions.js");
    const message = newestOpen(conversation, this.#chat);
    const choice = message && choiceOf(message, conversation, digit);
    if (message === undefined || choice === undefined) return null;
    const words = printableLine(message.choices?.[choice] ?? "declined");
    const give = () => answerIt(this.#chat, conversation, message, choice);
    return { seq: message.seq, asker: printableLine(message.from), words, give };
  }

  /**
   * Send a digit alone: as the answer that was announced, or as a text.
   *
   * @param {string} digit
   */
  async #sendDigit(digit) {
    const conversation = this.#conversation;
    const answer = await this.#answerOf(digit);
    if (conversation !== this.#conversation || this.#text.value.trim() !== digit) return;
    if (answer === null) return this.#say(digit);
    if (this.#announced !== `${digit} ${answer.seq}`) return this.#hintAnswer(digit); // another one has come meanwhile
    answer.give();
    this.#clear();
  }

  async #loadMentions() {
    const { Mentions } = await import("./mentions.js");
    this.#mentions ??= new Mentions(this.#chat, this.#text, () => this.#changed());
    this.root.append(this.#mentions.root);
    this.#mentions.update();
  }

  /** Only where the style sheet cannot do it: the number of lines, as far as line feeds tell. */
  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#text.rows = Math.min(LINES, this.#text.value.split("\n", LINES).length);
  }

  /**
   * Show a sentence above the field, with what can be done about it, or none.
   *
   * @param {Hint | null} hint
   */
  hint(hint) {
    const buttons = (hint?.actions ?? []).map(([label, act]) =>
      el("button", { type: "button", onclick: () => (this.hint(null), this.focus(), act()) }, label),
    );
    this.#hint.replaceChildren(...(hint === null ? [] : [el("p", {}, hint.sentence), ...buttons]));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work, and the key is its own
    if (this.#mentions?.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
      this.#submit(event);
    } else if (event.key === "Escape" && this.#hint.hasChildNodes()) {
      this.hint(null);
    } else if (event.key === "Escape" && this.#re !== undefined) {
      this.#stopReply();
    } else if (event.key === "ArrowUp" && this.empty) {
      const failed = this.#chat.outbox
        .to(this.#conversation?.of ?? "")
        .findLast(({ failure }) => failure !== undefined);
      if (failed === undefined) return;
      event.preventDefault();
      this.edit(failed);
    }
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trimEnd();
    const conversation = this.#conversation;
    if (conversation === null || text.trim() === "") return;
    const problem = tooLong(text, this.#chat.state.limits);
    if (problem) this.hint({ sentence: problem });
    else if (DIGIT.test(text) && this.#re === undefined) void this.#sendDigit(text);
    else if (needsThought(text, (name) => this.#chat.state.known(name) !== "")) void this.#consider(text, conversation);
    else this.#say(text);
  }

  /**
   * Send a text as it is.
   *
   * @param {string} text
   */
  #say(text) {
    const conversation = this.#conversation;
    if (conversation === null) return;
    this.#chat.say({ to: conversation.of, text, re: this.#re?.seq });
    this.#clear();
  }

  #clear() {
    this.#showReply(undefined);
    this.#fill("");
    this.#chat.drafts.keep();
  }

  /**
   * Do what a line says that may be no text, or ask.
   *
   * @param {string} text
   * @param {Conversation} conversation
   */
  async #consider(text, conversation) {
    const line = `${conversation.of} ${text}`;
    if (line === this.#considered) return; // Enter was pressed twice
    this.#considered = line;
    try {
      await this.#considerOnce(text, conversation);
    } finally {
      this.#considered = "";
    }
  }

  /**
   * @param {string} text
   * @param {Conversation} conversation
   */
  async #considerOnce(text, conversation) {
    const { runLine } = await import("./commands.js");
    const unchanged = () => conversation === this.#conversation && text === this.#text.value.trimEnd();
    if (!unchanged()) return;
    const say = (/** @type {string} */ changed) => unchanged() && this.#say(changed);
    const done = () => unchanged() && this.#clear();
    const hint = await runLine(text, { chat: this.#chat, conversation, say, done, open: this.#onOpen });
    if (unchanged()) return hint === null ? this.#clear() : this.hint(hint);
    const { of } = conversation;
    if (hint !== null || this.#chat.drafts.get(of).text.trimEnd() !== text) return;
    this.#chat.drafts.write(of, { text: "" }); // what was done has led elsewhere
    this.#chat.drafts.keep(of);
  }

  async #openAsking() {
    if (this.#conversation === null) return;
    const { openAsking } = await import("./asking.js");
    const { of } = this.#conversation;
    openAsking(this.#chat, of, this.#text.value, () => of === this.#conversation?.of && this.#clear());
  }
}
