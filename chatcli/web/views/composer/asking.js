/** A form to ask a question with choices. */

import { tooLong } from "../../core/lines.js";
import { openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */

const LEAST = 2; // choices
const MOST = 9;
const LONGEST = 60; // characters of a choice
const OPEN_FOR = /** @type {const} */ ([
  ["until somebody answers", 0],
  ["5 minutes", 300],
  ["an hour", 3600],
  ["a day", 86_400],
  ["a week", 604_800],
]);

/**
 * Open the form.
 *
 * @param {Chat} chat
 * @param {string} to
 * @param {string} text what the question begins with
 * @param {() => void} onAsked
 */
export function openAsking(chat, to, text, onAsked) {
  const question = el("textarea", {
    rows: 2,
    required: true,
    value: text,
    "aria-label": "Question",
    placeholder: "Question",
  });
  const choices = el("ol", { class: "choices-form" });
  const seconds = el("select", {}, ...OPEN_FOR.map(([words, value]) => el("option", { value: String(value) }, words)));
  const problem = el("p", { class: "problem", role: "alert" });
  const more = el("button", { type: "button", onclick: () => add("").focus() }, "Another choice");

  const add = (/** @type {string} */ value) => {
    const label = `Choice ${choices.childElementCount + 1}`;
    const input = el("input", { value, maxLength: LONGEST, autocomplete: "off", "aria-label": label });
    choices.append(el("li", {}, input));
    more.hidden = choices.childElementCount >= MOST;
    return input;
  };
  for (const word of ["yes", "no"]) add(word);

  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const words = [...choices.querySelectorAll("input")].map(({ value }) => value.trim()).filter(Boolean);
    const asked = question.value.trim();
    problem.textContent = wrong(asked, words) || tooLong(asked, chat.state.limits);
    if (problem.textContent) return;
    chat.say({ to, text: asked, choices: words, seconds: Number(seconds.value) || undefined });
    dialog.close();
    onAsked();
  };
  const form = el(
    "form",
    { class: "asking", onsubmit: submit },
    question,
    choices,
    more,
    el("label", {}, "Open for ", seconds),
    problem,
    el("button", { type: "submit" }, "Ask"),
  );
  const dialog = openDialog(`Ask ${printableLine(to)}`, [form]);
  question.focus();
}

/**
 * Return the mistake in a question, or an empty string.
 *
 * @param {string} text
 * @param {string[]} choices
 */
function wrong(text, choices) {
  if (text === "") return "Write the question.";
  if (choices.length < LEAST) return "A question has at least two choices.";
  const hidden = choices.find((choice) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(choice));
  if (hidden !== undefined) return `"${printableLine(hidden)}" has characters that cannot be seen.`;
  const folded = choices.map((choice) => choice.normalize("NFC").toLowerCase());
  const twice = choices.find((_, at) => folded.indexOf(folded[at] ?? "") !== at);
  return twice === undefined ? "" : `The choices must differ, and "${printableLine(twice)}" is there twice.`;
}
