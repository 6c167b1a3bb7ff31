/** Times for people, in their own zone and language. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const long = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dated = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

const DAY = 86_400_000;
const QUARTER = 900_000; // of an hour: no zone begins its day within one

// Messages of one minute come together: formatting each of their times would cost more than the rest of them.
let lastTime = { minute: NaN, words: "" };
let lastDay = { quarter: NaN, day: NaN };

let offset = 0; // ms by which the server's clock is ahead of this machine's

/**
 * Take in by how much the server's clock is ahead: what is relative to now is so by that clock.
 *
 * @param {number} ms
 */
export function setOffset(ms) {
  offset = ms;
}

/** @param {number} at milliseconds since 1970 */
export function timeOfDay(at) {
  const minute = Math.floor(at / 60_000);
  if (minute !== lastTime.minute) lastTime = { minute, words: clock.format(at) };
  return lastTime.words;
}

/** @param {number} at */
export function fullTime(at) {
  return long.format(at);
}

/**
 * Return the number of the day of a time, in the zone of this browser.
 *
 * @param {number} at
 */
export function dayOf(at) {
  const quarter = Math.floor(at / QUARTER);
  if (quarter !== lastDay.quarter) {
    const date = new Date(at);
    lastDay = { quarter, day: Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / DAY) };
  }
  return lastDay.day;
}

/**
 * Return a day as a heading.
 *
 * @param {number} at
 */
export function dayName(at) {
  const ago = dayOf(Date.now() + offset) - dayOf(at);
  if (ago === 0 || ago === 1) {
    const word = relative.format(-ago, "day");
    return word.charAt(0).toUpperCase() + word.slice(1);
  }
  return Math.abs(ago) < 180 ? weekday.format(at) : dated.format(at);
}

/**
 * Return a time as short as it is clear: the time of today, or the day.
 *
 * @param {number} at
 */
export function shortTime(at) {
  return dayOf(at) === dayOf(Date.now() + offset) ? clock.format(at) : short.format(at);
}

/**
 * Return a length of time in words, such as "4 min".
 *
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
