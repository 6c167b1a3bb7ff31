/** Sentences about names and rooms: the same in the timeline, in bars and in notices. */

import { printableLine } from "./text.js";
import { dayOf, fullTime, timeOfDay } from "./times.js";

/** @import { Happened, NameChange } from "../../core/frames.js" */

/**
 * Sentences about events in rooms, as `chatcli join` says them: about somebody else, about whoever is here.
 *
 * @type {Record<string, [string, string]>}
 */
const HAPPENED = {
  kicked: ["{by} has removed {user} from {room}{reason}", "{by} has removed you from {room}{reason}"],
  banned: ["{by} has banned {user} from {room}{reason}", "{by} has banned you from {room}{reason}"],
  unbanned: ["{by} lets {user} into {room} again", "{by} lets you into {room} again"],
  muted: ["{by} has muted {user} in {room}{reason}", "{by} has muted you in {room}{reason}"],
  unmuted: ["{by} lets {user} write in {room} again", "{by} lets you write in {room} again"],
  invited: ["{by} invites {user} to {room}", "{by} invites you to {room}"],
  uninvited: ["{by} has taken back {user}'s invitation to {room}", "{by} has taken back your invitation to {room}"],
  owner: ["{user} is an owner of {room} now", "You are an owner of {room} now"],
  disowned: ["{user} is no longer an owner of {room}", "You are no longer an owner of {room}"],
};

/**
 * Return the sentence about a name that has another key or owner.
 *
 * @param {NameChange} change
 */
export function changeSentence({ user, what, at, by = "" }) {
  const name = printableLine(user);
  const moment = dayOf(at) === dayOf(Date.now()) ? timeOfDay(at) : fullTime(at);
  const operator = by === "" || by === "operator" ? "an operator" : `the operator ${printableLine(by)}`;
  if (what === "key") return `${name} added a device (a new key) at ${moment}.`;
  if (what === "recovered")
    return `${name} has had a new key since ${moment}: ${operator} let them in without the earlier one.`;
  if (what === "released") return `The name ${name} has been nobody's since ${moment}: ${operator} released it.`;
  return `${name} has been somebody else since ${moment}: an operator released the name, and it was taken anew.`;
}

/**
 * Return the sentence about an event in a room, without its full stop; empty if there is none.
 *
 * @param {Happened} happened
 * @param {string} me
 */
export function happenedSentence({ room, what, user = "", by = "", text = "" }, me) {
  const line = printableLine(text);
  /** @type {Record<string, string>} */
  const fields = {
    user: printableLine(user),
    by: printableLine(by) || "The server",
    room: printableLine(room),
    reason: line && ` (${line})`,
  };
  if (what === "topic") return line ? `${fields["by"]} set the topic: ${line}` : `${fields["by"]} removed the topic`;
  const [others, own] = (Object.hasOwn(HAPPENED, what) && HAPPENED[what]) || ["", ""];
  return (user === me ? own : others).replace(/\{(\w+)\}/g, (_, field) => fields[field] ?? "");
}
