/** What waits in this browser to be sent, as the entrance shows it: nobody who is kept out loses sight of it. */

import { el } from "./parts/dom.js";
import { printable, printableLine } from "./parts/text.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Pending } from "../core/outbox.js" */
/** @import { Storage } from "../storage/storage.js" */

/**
 * Show the messages that wait, by the names under which they were written.
 *
 * @param {HTMLElement} place
 * @param {Chat} chat
 * @param {Storage} storage
 */
export async function showUnsent(place, chat, storage) {
  /** @type {Map<string, Pending[]>} */
  const waiting = new Map();
  for (const pending of await storage.all("outbox")) {
    if (typeof pending?.user !== "string" || typeof pending.id !== "string") continue;
    waiting.set(pending.user, [...(waiting.get(pending.user) ?? []), pending]);
  }
  place.replaceChildren(...[...waiting].map(([user, pending]) => unsentNode(user, pending, chat, storage)));
}

/**
 * @param {string} user
 * @param {Pending[]} waiting
 * @param {Chat} chat
 * @param {Storage} storage
 */
function unsentNode(user, waiting, chat, storage) {
  const name = printableLine(user);
  const one = waiting.length === 1;
  const said = one ? "1 message" : `${waiting.length} messages`;
  const drop = () => {
    for (const { id } of waiting) {
      chat.outbox.remove(id);
      void storage.delete("outbox", id);
    }
    node.remove();
  };
  const node = el(
    "details",
    { class: "unsent" },
    el("summary", {}, `${said} that you have written as ${name} ${one ? "waits" : "wait"} in this browser.`),
    el("p", { class: "faint" }, `${one ? "It is" : "They are"} sent once you are in as ${name} again.`),
    el("ul", {}, ...waiting.map(({ to, text }) => el("li", {}, `To ${printableLine(to)}: ${printable(text ?? "")}`))),
    el("p", {}, el("button", { type: "button", onclick: drop }, one ? "Discard it" : "Discard them")),
  );
  return node;
}
