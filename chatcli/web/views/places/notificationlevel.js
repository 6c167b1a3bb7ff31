/** Which messages of a conversation may call. */

import { el } from "../parts/dom.js";

/** @import { Level, Preferences } from "../../storage/preferences.js" */

const ROOM = { all: "All messages", mentions: "Mentions and questions", nothing: "Nothing: quiet" };
const PERSON = { all: "All messages", nothing: "Nothing: quiet" };

/**
 * Return the field.
 *
 * @param {Preferences} preferences
 * @param {string} of
 */
export function levelField(preferences, of) {
  const choices = Object.entries(of.startsWith("#") ? ROOM : PERSON);
  const select = el(
    "select",
    { id: "level", onchange: () => void preferences.setLevel(of, /** @type {Level} */ (select.value)) },
    ...choices.map(([value, words]) => el("option", { value, selected: value === preferences.level(of) }, words)),
  );
  return el("p", { class: "fields" }, el("label", { for: "level" }, "Notify me about"), select);
}
