/** Mentions: a name as a word of its own, in any case. */

const LONGEST = 4000; // characters of a text that are looked at

/**
 * Return the source of a regular expression for a name as a word of its own.
 *
 * @param {string} name
 */
export function mentionSource(name) {
  const escaped = name.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  return `(?<![\\p{L}\\p{N}_])(@?${escaped})(?![\\p{L}\\p{N}_])`;
}

let last = { name: "", pattern: /$^/ };

/**
 * Return whether a text mentions somebody.
 *
 * @param {string} text
 * @param {string} name
 */
export function mentions(text, name) {
  if (last.name !== name) last = { name, pattern: new RegExp(mentionSource(name), "iu") };
  return last.pattern.test(text.slice(0, LONGEST));
}
