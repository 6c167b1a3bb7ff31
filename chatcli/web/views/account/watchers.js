/** Which of several tabs calls, and whether somebody looks at any of them. */

const CHANNEL = "chatcli-watchers";
const LOCK = "chatcli-notify";

export class Watchers {
  #channel = new BroadcastChannel(CHANNEL);
  #id = crypto.randomUUID();
  /** Other tabs that are looked at. @type {Set<string>} */
  #others = new Set();
  /** Whether this tab is the one that calls: it holds the lock until it is closed. */
  leads = !("locks" in navigator);

  constructor() {
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    for (const event of ["focus", "blur", "pageshow"]) window.addEventListener(event, () => this.#tell());
    window.addEventListener("pagehide", () => this.#tell(false)); // it may be hidden, or not yet
    document.addEventListener("visibilitychange", () => this.#tell());
    this.#tell();
    this.#channel.postMessage({ ask: true });
    void navigator.locks?.request(LOCK, () => {
      this.leads = true;
      return new Promise(() => {});
    });
  }

  /** Whether somebody looks at this tab. */
  get here() {
    return !document.hidden && document.hasFocus();
  }

  /** Whether somebody looks at any of them. */
  get anybody() {
    return this.here || this.#others.size > 0;
  }

  #tell(here = this.here) {
    this.#channel.postMessage({ id: this.#id, here });
  }

  /** @param {any} data */
  #receive(data) {
    if (data.ask) this.#tell();
    else if (data.here) this.#others.add(data.id);
    else this.#others.delete(data.id);
  }
}
