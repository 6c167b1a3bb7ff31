/** What there is to know, and to do, about a room. */

import { Refused } from "../../core/frames.js";
import { confirmed, openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { levelField } from "./notificationlevel.js";
import { printable, printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Conversation } from "../../core/state.js" */
/** @import { Shell } from "../shell.js" */

const MOST_TOPIC = 500; // characters
const KINDS = {
  open: "Everyone may enter and read this room.",
  private: "Only members read this room. Its owners invite them.",
  announcement: "Everyone may enter and read this room. Its owners write.",
};

/**
 * Open the dialog.
 *
 * @param {Chat} chat
 * @param {Shell} shell
 * @param {Conversation} conversation
 */
export function openRoom(chat, shell, conversation) {
  const { of, room } = conversation;
  const name = printableLine(of);
  const member = chat.state.rooms.has(of);
  const owner = room?.owners?.includes(chat.me) ?? false;
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const attempt = async (/** @type {() => Promise<unknown>} */ run) => {
    problem.hidden = true;
    try {
      await run();
      return true;
    } catch (error) {
      problem.textContent = error instanceof Error ? printable(error.message) : "";
      problem.hidden = false;
      if (!(error instanceof Refused)) console.warn(error);
      return false;
    }
  };
  const moderate = async () => {
    dialog.close();
    const { openModeration } = await import("./moderation.js");
    openModeration(chat, of);
  };
  const dialog = openDialog(name, [
    el("p", { class: "faint" }, room ? KINDS[room.kind] : "There is no such room that you may see."),
    room && el("p", {}, `Owners: ${(room.owners ?? []).map(printableLine).join(", ") || "nobody"}`),
    problem,
    member && topicForm(chat, conversation, attempt),
    levelField(shell.preferences, of),
    member && inviteForm(chat, of, attempt),
    el(
      "div",
      { class: "stack" },
      member && el("button", { type: "button", onclick: () => void moderate() }, owner ? "Moderate…" : "For owners…"),
      member && leaveButton(chat, of, room?.kind === "private", attempt, () => dialog.close()),
    ),
  ]);
}

/** @typedef {(run: () => Promise<unknown>) => Promise<boolean>} Attempt */

/**
 * @param {Chat} chat
 * @param {Conversation} conversation
 * @param {Attempt} attempt
 */
function topicForm(chat, { of, room }, attempt) {
  const text = el("input", { type: "text", id: "topic", autocomplete: "off", maxLength: MOST_TOPIC });
  const said = el("span", { class: "faint", role: "status" });
  text.value = room?.topic ?? "";
  const set = async (/** @type {Event} */ event) => {
    event.preventDefault();
    said.textContent = "";
    if (!(await attempt(() => chat.request({ t: "topic", room: of, text: text.value.trim() })))) return;
    said.textContent = "The topic is set.";
    await chat.describe(chat.state.conversation(of));
  };
  return el(
    "form",
    { class: "fields", onsubmit: (/** @type {Event} */ event) => void set(event) },
    el("label", { for: "topic" }, "Topic"),
    el("div", { class: "line" }, text, el("button", { type: "submit" }, "Set")),
    said,
  );
}

/**
 * @param {Chat} chat
 * @param {string} of
 * @param {Attempt} attempt
 */
function inviteForm(chat, of, attempt) {
  const name = el("input", { type: "text", id: "invitee", autocomplete: "off", spellcheck: false, required: true });
  const said = el("span", { class: "faint", role: "status" });
  const invite = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const to = name.value.trim().replace(/^@/, "");
    said.textContent = "";
    if (!(await attempt(() => chat.request({ t: "operate", do: "invite", to, room: of })))) return;
    said.textContent = `${printableLine(to)} is invited.`;
    name.value = "";
  };
  return el(
    "form",
    { class: "fields", onsubmit: (/** @type {Event} */ event) => void invite(event) },
    el("label", { for: "invitee" }, "Invite a person"),
    el("div", { class: "line" }, name, el("button", { type: "submit" }, "Invite")),
    said,
  );
}

/**
 * @param {Chat} chat
 * @param {string} of
 * @param {boolean} isPrivate
 * @param {Attempt} attempt
 * @param {() => void} close
 */
function leaveButton(chat, of, isPrivate, attempt, close) {
  const name = printableLine(of);
  const back = isPrivate ? "Only an invitation brings you back." : "You may come back whenever you like.";
  const leave = async () => {
    if (!(await confirmed(`Leave ${name}?`, back, "Leave"))) return;
    if (await attempt(() => chat.part(of))) close();
  };
  return el("button", { type: "button", onclick: () => void leave() }, `Leave ${name}`);
}
