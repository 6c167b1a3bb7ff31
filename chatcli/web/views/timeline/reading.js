/** What counts as read: what was on the screen, with its end, for a second, while somebody looked at the window. */

const DWELL = 1000; // ms
const PAUSE = 150; // ms between two looks at the screen

/** Return whether somebody looks at this window. */
export function looking() {
  return !document.hidden && document.hasFocus();
}

/** Watches which messages are on the screen, and tells up to which one they have been there for long enough. */
export class Reading {
  #visible;
  #onRead;
  /** @type {{at: number, low: number, high: number}[]} */
  #samples = [];
  #planned = 0;
  #read = 0;

  /**
   * @param {() => {low: number, high: number} | null} visible the first and last `seq` on the screen
   * @param {(seq: number) => void} onRead
   */
  constructor(visible, onRead) {
    this.#visible = visible;
    this.#onRead = onRead;
    for (const event of ["focus", "blur"]) window.addEventListener(event, () => this.look());
    document.addEventListener("visibilitychange", () => this.look());
  }

  /** Begin anew, as in another conversation. */
  reset() {
    this.#samples = [];
    this.#read = 0;
    this.look();
  }

  /** Look at the screen soon: something has moved. */
  look() {
    if (!looking()) this.#samples = [];
    this.#planned ||= setTimeout(() => this.#look(), PAUSE);
  }

  #look() {
    this.#planned = 0;
    const now = performance.now();
    const visible = looking() ? this.#visible() : null;
    if (visible === null) {
      this.#samples = [];
      return;
    }
    this.#samples.push({ at: now, ...visible });
    while (this.#samples[1] !== undefined && this.#samples[1].at <= now - DWELL) this.#samples.shift();
    const oldest = /** @type {{at: number}} */ (this.#samples[0]);
    if (oldest.at <= now - DWELL) this.#judge();
    if (visible.high > this.#read) this.#planned = setTimeout(() => this.#look(), DWELL / 4);
  }

  /** Tell what all looks within the last second have seen. */
  #judge() {
    const low = Math.max(...this.#samples.map((sample) => sample.low));
    const high = Math.min(...this.#samples.map((sample) => sample.high));
    if (high < low || high <= this.#read) return;
    this.#read = high;
    this.#onRead(high);
  }
}
