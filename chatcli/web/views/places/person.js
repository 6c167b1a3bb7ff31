/** What there is to know, and to do, about a person. */

import { leadingOn, openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { levelField } from "./notificationlevel.js";
import { printableLine } from "../parts/text.js";
import { duration, fullTime } from "../parts/times.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Person } from "../../core/frames.js" */
/** @import { Shell } from "../shell.js" */

/**
 * Open the dialog; what is asked of the server is shown when it comes.
 *
 * @param {Chat} chat
 * @param {Shell} shell
 * @param {string} user
 */
export function openPerson(chat, shell, user) {
  const { current } = chat;
  const room = current?.isRoom && chat.state.rooms.has(current.of) ? current.of : null;
  const about = el("p", { role: "status" }, describe(chat.state.people.get(user)));
  const button = (/** @type {string} */ words, /** @type {() => unknown} */ run) => leadingOn(() => dialog, words, run);
  const moderate = async () => (await import("./moderation.js")).openModeration(chat, room ?? "", user);
  const owner = current?.room?.owners?.includes(chat.me);
  const other = user !== chat.me;
  const dialog = openDialog(printableLine(user), [
    about,
    levelField(shell.preferences, user),
    el(
      "div",
      { class: "stack" },
      (room !== null || current?.of !== user) && button("Write to them", () => shell.go(user)),
      room !== null && other && button(`${owner ? "Moderate" : "For owners of"} ${printableLine(room)}…`, moderate),
    ),
  ]);
  chat
    .request({ t: "who", to: user })
    .then(({ people }) => {
      chat.state.people.set(people[0].user, people[0]);
      chat.emit("people", null);
      about.textContent = describe(people[0]);
    })
    .catch((error) => chat.failed(error));
}

/**
 * Return a person's presence as a sentence.
 *
 * @param {Person | undefined} person
 */
function describe(person) {
  if (person === undefined) return "";
  const { state = "here", since, text = "", idle } = person;
  if (state === "gone") return since ? `Left on ${fullTime(since)}.` : "Not here.";
  const words = [state === "away" ? `Away since ${fullTime(since)}.` : `Here since ${fullTime(since)}.`];
  if (text) words.push(`“${printableLine(text)}”`);
  if (idle) words.push(`No key for ${duration(Date.now() - idle)}.`);
  return words.join(" ");
}
