/** What is written in one go: whether it fits into a message, and whether it may be meant as something else than a text. */

const encoder = new TextEncoder();
const MOST_ESCAPED = 6; // bytes of one character in JSON, at most
const FRAME_ROOM = 1024; // bytes of a frame for all but the text

/**
 * Return a sentence if a text does not fit into a message, or an empty string.
 *
 * @param {string} text
 * @param {{text: number, frame: number}} limits of the server
 */
export function tooLong(text, limits) {
  if (text.length * MOST_ESCAPED + FRAME_ROOM < Math.min(limits.text, limits.frame)) return "";
  const bytes = text.length > limits.text * 4 ? text.length : encoder.encode(text).length;
  const room = limits.frame - FRAME_ROOM;
  const most = limits.text.toLocaleString();
  if (bytes > limits.text) {
    return `This is too long: ${bytes.toLocaleString()} bytes, and a message has ${most} at most. Send it in parts.`;
  }
  if (encoder.encode(JSON.stringify(text)).length > room) return "This is too long as it is written: send it in parts.";
  return "";
}

/** Commands that need no slash in a terminal, as the only word of a line. */
const BARE = /^\s*(who|rooms|help|exit|quit|back)\s*$/iu;
const SLASH = /^\s*[/\uff0f]/u;
const ADDRESS = /^\s*([^\s:\uff1a\ufe55\ufe13]{1,33})\s*[:\uff1a\ufe55\ufe13]\s*(?!\/\/)\S/u;

/**
 * Return whether a line is perhaps no text for those who read here: a command, or a message for somebody else, as people
 * type them in a terminal.
 *
 * @param {string} line
 * @param {(name: string) => boolean} knows whether a name is that of a room or a person that is known here
 */
export function needsThought(line, knows) {
  return SLASH.test(line) || BARE.test(line) || addressOf(line, knows) !== "";
}

/**
 * Return the known name to which a line is addressed, or an empty string.
 *
 * @param {string} line
 * @param {(name: string) => boolean} knows
 */
export function addressOf(line, knows) {
  const name = ADDRESS.exec(line)?.[1] ?? "";
  return name.toLowerCase() === "server" || (name !== "" && knows(name)) ? name : "";
}
