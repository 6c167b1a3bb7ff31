/** Questions in the timeline: choices as buttons, who answered, the time that is left. */

import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";
import { duration } from "../parts/times.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Message } from "../../core/frames.js" */
/** @import { Conversation } from "../../core/state.js" */

const NONE = -1; // declined, or withdrawn by the asker
const SOON = 90_000; // ms before the end from which seconds are counted

/** @typedef {{message: Message, conversation: Conversation, node: HTMLElement, left: Text | null}} Shown */

/**
 * Return the state of a question for somebody: who answered it, or what they may do.
 *
 * @param {Message} message
 * @param {Conversation} conversation
 * @param {Chat} chat
 * @returns {"answered" | "over" | "sending" | "mine" | "open" | "others"}
 */
function stateOf(message, conversation, chat) {
  if (conversation.answers.has(message.seq)) return "answered";
  if (message.until !== undefined && chat.now() >= message.until) return "over";
  if (chat.outbox.to(conversation.of).some(({ re, answer }) => re === message.seq && answer !== undefined))
    return "sending";
  if (!conversation.isRoom && message.to === chat.me) return "open"; // perhaps from me: programs ask their owner
  if (message.from === chat.me) return "mine";
  return conversation.isRoom && chat.state.rooms.has(conversation.of) ? "open" : "others";
}

/**
 * Return the newest question of a conversation that I may answer.
 *
 * @param {Conversation} conversation
 * @param {Chat} chat
 */
export function newestOpen(conversation, chat) {
  return conversation.messages.findLast((one) => one.choices && stateOf(one, conversation, chat) === "open");
}

/**
 * Return the number of the choice that a digit means, -1 for declining, or undefined.
 *
 * @param {Message} message
 * @param {Conversation} conversation
 * @param {string} digit
 */
export function choiceOf(message, conversation, digit) {
  if (digit === "0") return conversation.isRoom ? undefined : NONE;
  return message.choices?.[Number(digit) - 1] === undefined ? undefined : Number(digit) - 1;
}

/**
 * Answer a question.
 *
 * @param {Chat} chat
 * @param {Conversation} conversation
 * @param {Message} message
 * @param {number} answer
 */
export function answerIt(chat, conversation, message, answer) {
  const none = message.from === chat.me && message.to !== chat.me ? "withdrawn" : "declined";
  conversation.refusals.delete(message.seq);
  chat.say({ to: conversation.of, text: message.choices?.[answer] ?? none, re: message.seq, answer });
}

export class Questions {
  #chat;
  /** @type {Map<number, Shown>} */
  #shown = new Map();
  #timer = 0;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    for (const event of /** @type {const} */ (["messages", "pending", "sent", "question", "outbox", "clock"])) {
      chat.on(event, () => this.#drawAll());
    }
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  /**
   * Fill the node of a question.
   *
   * @param {HTMLElement} node
   * @param {Message} message
   * @param {Conversation} conversation
   */
  show(node, message, conversation) {
    const shown = { message, conversation, node, left: null };
    this.#shown.set(message.seq, shown);
    this.#draw(shown);
    this.#tick();
  }

  #drawAll() {
    for (const [seq, shown] of this.#shown) {
      if (!shown.node.isConnected) this.#shown.delete(seq);
      else if (shown.node.dataset["state"] !== this.#stamp(shown)) this.#draw(shown);
    }
    this.#tick();
  }

  /** @param {Shown} shown */
  #stamp({ message, conversation }) {
    return `${stateOf(message, conversation, this.#chat)} ${conversation.refusals.get(message.seq) ?? ""}`;
  }

  /** @param {Shown} shown */
  #draw(shown) {
    const { message, conversation, node } = shown;
    const focused = node.contains(document.activeElement);
    const state = stateOf(message, conversation, this.#chat);
    node.dataset["state"] = this.#stamp(shown);
    shown.left = null;
    node.setAttribute("role", "group");
    node.setAttribute("aria-label", "Choices");
    const refusal = conversation.refusals.get(message.seq);
    node.replaceChildren(
      el("div", { class: "choices" }, ...this.#choices(shown, state)),
      el("p", { class: "fate" }, ...this.#fate(shown, state)),
      el("p", { class: "problem", role: "alert", hidden: refusal === undefined }, printableLine(refusal ?? "")),
    );
    if (focused) /** @type {HTMLElement | null} */ (node.closest("article"))?.focus();
  }

  /**
   * @param {Shown} shown
   * @param {ReturnType<typeof stateOf>} state
   */
  #choices({ message, conversation }, state) {
    const given = conversation.answers.get(message.seq)?.answer;
    const sending = this.#chat.outbox
      .to(conversation.of)
      .find(({ re, answer }) => re === message.seq && answer !== undefined);
    const nodes = (message.choices ?? []).map((choice, at) => {
      const words = printableLine(choice);
      if (state !== "open") {
        const chosen = at === given || at === sending?.answer;
        return el("span", { class: chosen ? "choice chosen" : "choice" }, chosen ? `✓ ${words}` : words);
      }
      const answer = () => answerIt(this.#chat, conversation, message, at);
      return el(
        "button",
        { type: "button", onclick: answer },
        el("kbd", { "aria-hidden": "true" }, String(at + 1)),
        ` ${words}`,
      );
    });
    const none = () => answerIt(this.#chat, conversation, message, NONE);
    if (state === "open" && !conversation.isRoom)
      nodes.push(el("button", { type: "button", class: "plain", onclick: none }, "Decline"));
    if (state === "mine") nodes.push(el("button", { type: "button", class: "plain", onclick: none }, "Withdraw"));
    return nodes;
  }

  /**
   * @param {Shown} shown
   * @param {ReturnType<typeof stateOf>} state
   */
  #fate(shown, state) {
    const { message, conversation } = shown;
    const answer = conversation.answers.get(message.seq);
    if (answer !== undefined) return [this.#answered(message, answer)];
    if (state === "over") return ["The time is over, and nobody has answered."];
    if (state === "sending")
      return [
        this.#chat.phase === "ready" ? "Sending your answer…" : "Your answer is sent as soon as the server is back.",
      ];
    const none = state === "mine" ? "Nobody has answered yet." : "";
    if (message.until === undefined) return [none];
    shown.left = document.createTextNode("");
    shown.left.data = this.#left(message.until);
    return [none && `${none} `, shown.left];
  }

  /**
   * @param {Message} message
   * @param {Message} answer
   */
  #answered(message, answer) {
    const mine = answer.from === this.#chat.me;
    const who = mine ? "You have" : `${printableLine(answer.from)} has`;
    if (answer.answer !== NONE) return `${who} answered: ${printableLine(answer.text)}`;
    return answer.from === message.from && message.to !== message.from
      ? `${who} withdrawn the question.`
      : `${who} declined to answer.`;
  }

  /** @param {number} until */
  #left(until) {
    return `Open for ${duration(until - this.#chat.now())}`;
  }

  /** Keep the times that are left right; what is over is drawn anew. */
  #tick() {
    clearTimeout(this.#timer);
    let next = Infinity;
    for (const shown of this.#shown.values()) {
      if (shown.left === null || shown.message.until === undefined || !shown.node.isConnected) continue;
      const left = shown.message.until - this.#chat.now();
      if (left <= 0) this.#draw(shown);
      // Only the characters change, which screen readers do not announce.
      else shown.left.data = this.#left(shown.message.until);
      if (left > 0) next = Math.min(next, left < SOON ? 1000 : 30_000);
    }
    if (next < Infinity) this.#timer = setTimeout(() => this.#tick(), next);
  }

  /**
   * Answer the question that has the focus by a digit.
   *
   * @param {KeyboardEvent} event
   */
  #key(event) {
    if (!/^[0-9]$/.test(event.key) || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const article = document.activeElement?.closest("article[data-seq]");
    const shown = article instanceof HTMLElement ? this.#shown.get(Number(article.dataset["seq"])) : undefined;
    if (shown === undefined || stateOf(shown.message, shown.conversation, this.#chat) !== "open") return;
    const choice = choiceOf(shown.message, shown.conversation, event.key);
    if (choice === undefined) return;
    event.preventDefault();
    answerIt(this.#chat, shown.conversation, shown.message, choice);
  }
}
