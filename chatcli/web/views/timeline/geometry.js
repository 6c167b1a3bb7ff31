/** Heights of messages: about, before they are laid out, and where they are on the screen. */

/** @import { Entry } from "./stretch.js" */

const LINE = 23; // pixels
const CHARACTER = 7.5; // pixels

/**
 * Return the height that entries have, about.
 *
 * @param {Entry[]} entries
 * @param {number} width
 */
export function estimatedHeight(entries, width) {
  const perLine = Math.max(20, (width - 32) / CHARACTER);
  let height = 0;
  for (const { message, node } of entries) {
    height += LINE * Math.ceil((message?.text.length ?? 1) / perLine) + 2;
    if (!node.classList.contains("joined")) height += LINE + 6;
  }
  return Math.round(height);
}

/**
 * Return the place of the first entry whose end is at or below a height on the screen.
 *
 * @param {Entry[]} entries
 * @param {number} height
 */
export function bisect(entries, height) {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (/** @type {Entry} */ (entries[middle]).node.getBoundingClientRect().bottom < height) low = middle + 1;
    else high = middle;
  }
  return low;
}
