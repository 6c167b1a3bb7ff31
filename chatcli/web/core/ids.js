/** Ids of messages: UUIDs of version 7 (RFC 9562), ordered by time. */

const LAST_COUNTED = 0xfff; // ids within one millisecond
const TIME_DIGITS = 12;

let last = 0;
let counter = 0;

/** Return a new id, greater than those before it, whatever the clock does. */
export function newId() {
  const now = Math.max(Date.now(), last);
  counter = now === last ? counter + 1 : 0;
  last = counter > LAST_COUNTED ? now + 1 : now;
  if (last > now) counter = 0;
  const random = crypto.getRandomValues(new Uint8Array(8));
  const hex = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = last.toString(16).padStart(TIME_DIGITS, "0").slice(-TIME_DIGITS);
  const order = counter.toString(16).padStart(3, "0");
  const variant = (0x8 | ((random[0] ?? 0) & 0x3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${order}-${variant}${hex.slice(1, 4)}-${hex.slice(4)}`;
}

/**
 * Have all further ids be greater than one that was made before, perhaps by a clock that was ahead.
 *
 * @param {string} id
 */
export function goOnAfter(id) {
  const time = parseInt(id.slice(0, 13).replace("-", ""), 16);
  if (time >= last) [last, counter] = [time + 1, 0];
}
