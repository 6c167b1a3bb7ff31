/** Opening a room or a person by a name that somebody has typed. */

import { Refused } from "../../core/frames.js";

/** @import { Chat } from "../../core/chat.js" */

/**
 * Open what is called so; a room that is not there is made, unless another one was meant perhaps.
 *
 * @param {Chat} chat
 * @param {string} name
 * @param {(of: string) => void} onOpen
 * @returns {Promise<boolean>} whether it was opened
 */
export async function openNamed(chat, name, onOpen) {
  try {
    onOpen(name.startsWith("#") ? await room(chat, name) : await person(chat, name.replace(/^@/, "")));
    return true;
  } catch (error) {
    if (error instanceof Refused && /^(unknown|bad_name|not_invited)/.test(error.code)) {
      const { openRooms } = await import("./rooms.js");
      openRooms(chat, { onOpen, name, problem: error.message, names: error.names });
    } else {
      chat.failed(error);
    }
    return false;
  }
}

/**
 * @param {Chat} chat
 * @param {string} name
 */
async function room(chat, name) {
  if (chat.state.rooms.has(name)) return name;
  try {
    await chat.request({ t: "rooms", room: name });
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "unknown_room" || error.names.length > 0) throw error;
  }
  return chat.join(name);
}

/**
 * @param {Chat} chat
 * @param {string} name
 * @returns {Promise<string>}
 */
async function person(chat, name) {
  try {
    const { people } = await chat.request({ t: "who", to: name });
    return people[0].user;
  } catch (error) {
    if (error instanceof Refused && error.code === "unknown_user") await addRoom(chat, name, error);
    throw error;
  }
}

/**
 * Name the room that was meant perhaps, but for its sign.
 *
 * @param {Chat} chat
 * @param {string} name
 * @param {Refused} refusal
 */
async function addRoom(chat, name, refusal) {
  try {
    const { rooms } = await chat.request({ t: "rooms", room: `#${name}` });
    refusal.names.unshift(rooms[0].name);
  } catch {
    // there is none either
  }
}
