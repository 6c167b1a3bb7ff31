/** Quiet lines among messages: names that have another key or owner, and what happened in a room. */

import { el } from "../parts/dom.js";
import { changeSentence, happenedSentence } from "../parts/sentences.js";
import { fullTime } from "../parts/times.js";

/** @import { Note } from "../../core/conversation.js" */
/** @import { Message } from "../../core/frames.js" */
/** @import { Item } from "./stretch.js" */

/** @param {Message} message */
export function itemOf(message) {
  return { seq: message.seq, at: message.at, message };
}

/**
 * Return messages with those quiet lines among them that are between two places.
 *
 * @param {Message[]} messages
 * @param {Note[]} notes
 * @param {number} low
 * @param {number} high
 * @returns {Item[]}
 */
export function withNotes(messages, notes, low, high) {
  const within = notes.filter(({ seq }) => seq > low && seq < high);
  if (within.length === 0) return messages.map(itemOf);
  const items = within.map((note) => ({ seq: note.seq, at: note.at, note }));
  return [...messages.map(itemOf), ...items].sort((a, b) => a.seq - b.seq);
}

/**
 * Return the node of a quiet line.
 *
 * @param {Note} note
 * @param {string} me
 */
export function noteNode(note, me) {
  const words = note.change ? changeSentence(note.change) : note.happened ? happenedSentence(note.happened, me) : "";
  return el("p", { class: "note", dir: "auto", "data-seq": String(note.seq), title: fullTime(note.at) }, words);
}
