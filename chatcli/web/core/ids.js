/** Ids of messages: UUIDs of version 7 (RFC 9562), ordered by time. */

let last = 0;
let counter = 0;

/** Return a new id, greater than those before it. */
export function newId() {
  const now = Math.max(Date.now(), last);
  counter = now === last ? counter + 1 : 0;
  last = now;
  const random = crypto.getRandomValues(new Uint8Array(8));
  const hex = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = now.toString(16).padStart(12, "0");
  const order = (counter & 0xfff).toString(16).padStart(3, "0");
  const variant = (0x8 | ((random[0] ?? 0) & 0x3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${order}-${variant}${hex.slice(1, 4)}-${hex.slice(4)}`;
}
