/** What the page needs soon after it is there: the keys, the title, notifications, and who touches it. */

import { watchIdle } from "./account/idle.js";
import { listenForKeys } from "./account/keys.js";
import { Lobby } from "./places/lobby.js";
import { Missing } from "./places/missing.js";
import { Removed } from "./places/removed.js";
import { Notices } from "./account/notices.js";
import { happenedSentence } from "./parts/sentences.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Shell } from "./shell.js" */

const SWITCHER_AFTER = 3000; // ms, by which what is on the screen is there

/**
 * Start all of it.
 *
 * @param {Chat} chat
 * @param {Shell} shell
 */
export function startUp(chat, shell) {
  shell.main.append(new Lobby(chat, shell).root, new Missing(chat, shell).root, new Removed(chat, shell).root);
  listenForKeys(chat, shell);
  watchIdle(chat);
  new Notices(chat, shell);
  const load = () => chat.phase === "ready" && import("./places/switcher.js").catch(() => {});
  setTimeout(() => void load(), SWITCHER_AFTER); // one types on after Ctrl K
  chat.on("arrived", ({ conversation }) => {
    // The server tells of this person from now on, too.
    if (conversation.isRoom || chat.state.people.has(conversation.of)) return;
    chat.state.people.set(conversation.of, { user: conversation.of, since: 0, state: "gone" });
    chat.describe(conversation).catch((error) => chat.failed(error));
  });
  chat.on("happened", (happened) => {
    const text = happened.user === chat.me && happened.by !== chat.me && happenedSentence(happened, chat.me);
    if (text) chat.emit("notice", { text, failed: false });
  });
}
