/** Oneself: away and back, preferences, help, leaving. */

import { leadingOn, openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Shell } from "../shell.js" */

const MOST_TEXT = 500; // characters of an away message

/**
 * Open the menu.
 *
 * @param {Chat} chat
 * @param {Shell} shell
 */
export function openOwnMenu(chat, shell) {
  const button = (/** @type {string} */ words, /** @type {() => unknown} */ run) => leadingOn(() => dialog, words, run);
  const dialog = openDialog(printableLine(chat.me), [
    presence(chat, () => dialog.close()),
    el(
      "div",
      { class: "stack" },
      ...(shell.devices ? [button("Devices…", shell.devices)] : []),
      button("Preferences…", async () => (await import("./settings.js")).openSettings(chat, shell)),
      ...(matchMedia("(pointer: coarse)").matches ? [] : [button("Keyboard…", () => shell.help())]),
      button("Leave", () => leave(chat, shell)),
    ),
  ]);
}

/**
 * @param {Chat} chat
 * @param {() => void} close
 */
function presence(chat, close) {
  const me = chat.state.people.get(chat.me);
  const away = me?.state === "away";
  const text = el("input", { type: "text", id: "away-text", autocomplete: "off", maxLength: MOST_TEXT });
  const say = async (/** @type {Event} */ event, /** @type {Record<string, any>} */ fields) => {
    event.preventDefault();
    try {
      await chat.request({ t: "away", ...fields });
      const since = Date.now();
      const state = fields["back"] ? /** @type {const} */ ("here") : /** @type {const} */ ("away");
      chat.state.people.set(chat.me, { user: chat.me, since, state, text: fields["text"] });
      chat.emit("people", null);
      close();
    } catch (error) {
      chat.failed(error);
    }
  };
  if (away) {
    return el(
      "form",
      { class: "fields", onsubmit: (/** @type {Event} */ event) => void say(event, { back: true }) },
      el("p", {}, me.text ? `You are away: ${printableLine(me.text)}` : "You are away."),
      el("p", {}, el("button", { type: "submit" }, "I am back")),
    );
  }
  const send = (/** @type {Event} */ event) => void say(event, { text: text.value.trim() || undefined });
  return el(
    "form",
    { class: "fields", onsubmit: send },
    el("label", { for: "away-text" }, "Away, and why (may be empty)"),
    text,
    el("p", {}, el("button", { type: "submit" }, "Set away")),
    el("p", { class: "faint" }, "You are back with the next message that you send."),
  );
}

/**
 * Leave: the connection ends, and the name stays.
 *
 * @param {Chat} chat
 * @param {Shell} shell
 */
function leave(chat, shell) {
  chat.leave();
  const back = el("button", { type: "submit", onclick: () => location.reload() }, "Come back");
  const page = el(
    "main",
    { class: "entrance" },
    el("h1", {}, "chatcli"),
    el("p", { class: "lead" }, `You have left. The name ${printableLine(chat.me)} stays yours, in this browser.`),
    back,
  );
  document.title = "chatcli";
  shell.root.replaceWith(page);
  back.focus();
}
