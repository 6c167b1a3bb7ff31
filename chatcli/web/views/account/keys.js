/** Keys that work anywhere on the page. */

/** @import { Chat } from "../../core/chat.js" */
/** @import { Shell } from "../shell.js" */

/** All keys of the page, as the help shows them. */
export const KEYS = [
  ["Ctrl K", "go to a conversation, a room or a person"],
  ["/", "search messages"],
  ["Alt ↑, Alt ↓", "previous, next conversation"],
  ["Alt Shift ↑, Alt Shift ↓", "previous, next conversation with something new"],
  ["F6, Shift F6", "next, previous part of the page"],
  ["Enter", "send, in the field for writing"],
  ["Shift Enter", "new line"],
  ["Tab", "complete a name, in the field for writing"],
  ["↑", "in the empty field: the text that could not be sent"],
  ["↑, ↓", "previous, next message, among the messages"],
  ["Enter", "reply, on a message"],
  [".", "what else can be done, on a message"],
  ["1 … 9", "answer, on a question"],
  ["End", "newest message, unless something is written"],
  ["Page ↑, Page ↓", "scroll the messages, unless something is written"],
  ["Shift Escape", "mark everything as read"],
  ["Escape", "close what is open; reply to nothing"],
  ["?", "this list"],
];

/**
 * Listen for them.
 *
 * @param {Chat} chat
 * @param {Shell} shell
 */
export function listenForKeys(chat, shell) {
  window.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || !shell.root.isConnected) return;
    const run = action(event, shell, chat);
    if (run === null) return;
    event.preventDefault();
    run();
  });
}

/**
 * Return the action of a key, or null.
 *
 * @param {KeyboardEvent} event
 * @param {Shell} shell
 * @param {Chat} chat
 */
function action(event, shell, chat) {
  const { key, altKey, shiftKey } = event;
  const control = event.ctrlKey || event.metaKey;
  if (document.querySelector("dialog[open]")) return null;
  if (control && !altKey && !shiftKey && key.toLowerCase() === "k") return () => void openSwitcher(shell);
  if (control) return null;
  if (key === "F6") return () => moveRegion(shell, shiftKey ? -1 : 1);
  if (altKey && (key === "ArrowUp" || key === "ArrowDown"))
    return () => moveConversation(chat, shell, key === "ArrowUp" ? -1 : 1, shiftKey);
  if (altKey || inField(event) || !shell.preferences.values.letters) return null;
  if (key === "/") return () => void shell.search();
  if (key === "?") return () => void shell.help();
  return null;
}

/**
 * Open the switcher; what is typed until it is there is for it, and not for the field that has the focus.
 *
 * @param {Shell} shell
 */
async function openSwitcher(shell) {
  let typed = "";
  let entered = false;
  const hold = (/** @type {KeyboardEvent} */ event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.key === "Enter") entered = true;
    if (!entered && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) typed += event.key;
  };
  window.addEventListener("keydown", hold, { capture: true });
  try {
    await shell.switcher(() => typed);
  } finally {
    window.removeEventListener("keydown", hold, { capture: true });
  }
  const { activeElement } = document;
  if (entered) activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", cancelable: true }));
}

/** @param {HTMLElement} node */
function visible(node) {
  return node.checkVisibility();
}

/** @param {KeyboardEvent} event */
function inField({ target }) {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

/**
 * Move the focus to the next part of the page.
 *
 * @param {Shell} shell
 * @param {number} step
 */
function moveRegion(shell, step) {
  const aside = /** @type {HTMLElement | null} */ (shell.root.querySelector("aside"));
  const regions = [
    { root: shell.sidebar.root, focus: () => shell.sidebar.focus() },
    { root: shell.header.root, focus: () => [...shell.header.root.querySelectorAll("button")].find(visible)?.focus() },
    { root: shell.timeline.root, focus: () => shell.timeline.focus() },
    { root: shell.composer.root, focus: () => shell.composer.focus() },
    { root: aside, focus: () => /** @type {HTMLElement} */ (aside?.querySelector("button")).focus() },
  ].filter(({ root }) => root !== null && visible(root));
  const at = regions.findIndex(({ root }) => root?.contains(document.activeElement));
  const next = at < 0 && step < 0 ? regions.length - 1 : at + step;
  regions.at(next % regions.length)?.focus();
}

/**
 * @param {Chat} chat
 * @param {Shell} shell
 * @param {number} step
 * @param {boolean} unread whether those without anything new are passed over
 */
function moveConversation(chat, shell, step, unread) {
  const { order } = shell.sidebar;
  const at = order.indexOf(chat.current?.of ?? "");
  const start = at < 0 && step < 0 ? 0 : at;
  for (let far = 1; far <= order.length; far += 1) {
    const of = order[(start + step * far + order.length * far) % order.length];
    if (of === undefined) return;
    const conversation = chat.state.conversation(of);
    if (!unread || (conversation.unread > 0 && shell.preferences.level(of) !== "nothing")) return shell.go(of);
  }
}
