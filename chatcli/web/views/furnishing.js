/** What the page needs soon after it is there: the keys, the title, notifications, and who touches it. */

import { watchIdle } from "./account/idle.js";
import { listenForKeys } from "./account/keys.js";
import { Lobby } from "./places/lobby.js";
import { Missing } from "./places/missing.js";
import { Notices } from "./account/notices.js";
import { printableLine } from "./parts/text.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Happened } from "../core/frames.js" */
/** @import { Shell } from "./shell.js" */

/** What is said of something that others have done to me in a room. @type {Record<string, string>} */
const DONE = {
  kicked: "{by} has removed you from {room}",
  banned: "{by} has banned you from {room}",
  unbanned: "{by} lets you into {room} again",
  muted: "{by} has muted you in {room}",
  unmuted: "{by} lets you write in {room} again",
  invited: "{by} invites you to {room}",
  uninvited: "{by} has taken back your invitation to {room}",
  owner: "You are an owner of {room} now",
  disowned: "You are no longer an owner of {room}",
};

/**
 * Put all of it in.
 *
 * @param {Chat} chat
 * @param {Shell} shell
 */
export function furnish(chat, shell) {
  shell.main.append(new Lobby(chat, shell).root, new Missing(chat, shell).root);
  listenForKeys(chat, shell);
  watchIdle(chat);
  new Notices(chat, shell);
  chat.on("arrived", ({ conversation }) => {
    // The server tells of this person from now on, too.
    if (conversation.isRoom || chat.state.people.has(conversation.of)) return;
    chat.state.people.set(conversation.of, { user: conversation.of, since: 0, state: "gone" });
    chat.describe(conversation).catch((error) => chat.failed(error));
  });
  chat.on("happened", (happened) => {
    const text = happened.user === chat.me && happened.by !== chat.me && sentence(happened);
    if (text) chat.emit("notice", { text, failed: false });
  });
}

/**
 * Return what is said of something that has happened to me, or nothing.
 *
 * @param {Happened} happened
 */
function sentence({ what, room, by = "the server", text = "" }) {
  const template = Object.hasOwn(DONE, what) ? DONE[what] : undefined;
  const words = template?.replace("{by}", () => printableLine(by)).replace("{room}", () => printableLine(room));
  return words && (text ? `${words}: ${printableLine(text)}` : words);
}
