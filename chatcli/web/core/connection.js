/** The connection to the server: a WebSocket that says hello, proves the key, and comes back by itself. No DOM. */

import { Emitter } from "./emitter.js";
import { Disconnected, Refused } from "./frames.js";

/** @import { Identity } from "./identity.js" */
/** @import { Frame, Welcome } from "./frames.js" */

const FIRST_DELAY = 500; // ms until the first attempt to come back
const LONGEST_DELAY = 30_000; // ms; a laptop that wakes up does not wait: see `wake`
const PING_EVERY = 20_000; // ms
const PONG_WITHIN = 8_000; // ms, after which the connection counts as dead
const MOST_WAITING = 64 * 1024; // bytes that the browser has yet to send

/** Farewells after which coming back would not help, or would be a fight. */
const FINAL = new Set(["kicked", "banned", "taken_over", "bad_proof", "unsupported_version", "tls_required"]);

/**
 * @typedef {"idle" | "connecting" | "ready" | "waiting" | "refused" | "ended"} Phase
 *
 * `idle`: not begun. `waiting`: for the next attempt. `refused`: the hello was, see `reason`; nothing more is tried.
 * `ended`: the server has closed for good, see `reason`.
 */

/**
 * @typedef {object} Events
 * @property {Frame} frame what the server pushes, and errors that belong to a message
 * @property {Welcome} welcome
 * @property {Phase} phase
 * @property {{server: string, key: string}} challenge
 */

/** @extends {Emitter<Events>} */
export class Connection extends Emitter {
  /** @type {WebSocket | null} */
  #socket = null;
  #identity;
  #makeHello;
  #url;
  #origin;
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
  #asked = new Map();
  #n = 0;
  #failures = 0;
  /** @type {number | undefined} */
  #retry;
  /** @type {number | undefined} */
  #pinger;
  #greeting = false; // hello was said, and no welcome came

  /**
   * @param {object} options
   * @param {string} options.url of the WebSocket
   * @param {string} options.origin of the page
   * @param {Identity} options.identity
   * @param {() => Record<string, any>} options.makeHello what `hello` says besides the key; called at each attempt
   */
  constructor({ url, origin, identity, makeHello }) {
    super();
    this.#url = url;
    this.#origin = origin;
    this.#identity = identity;
    this.#makeHello = makeHello;
    /** @type {Phase} */
    this.phase = "idle";
    /** Why it was refused or has ended. @type {Refused | null} */
    this.reason = null;
    /** When the next attempt is made, as `Date.now()`. */
    this.retryAt = 0;
  }

  /** Connect, and come back whenever the connection is lost. */
  start() {
    if (this.#socket !== null) return;
    clearTimeout(this.#retry);
    this.#move("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#greeting = false;
    socket.onopen = () => this.#greet();
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onclose = () => this.#lost(socket);
  }

  /** Say goodbye, and do not come back. */
  stop() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    if (socket !== null) {
      this.#write({ t: "bye" });
      this.#drop(socket);
    }
    this.#move("idle");
  }

  /** Look at once whether the connection is alive; called when the page is shown again, or the network is back. */
  wake() {
    if (this.phase === "waiting") {
      this.#failures = 0;
      this.start();
    } else if (this.phase === "ready") {
      this.#ping();
    }
  }

  /**
   * Send a frame without an answer; return whether it is on its way.
   *
   * @param {Record<string, any>} frame
   */
  send(frame) {
    if (this.phase !== "ready") return false;
    this.#write(frame);
    return true;
  }

  /** Whether the browser has yet to send much of what was said. */
  get congested() {
    return (this.#socket?.bufferedAmount ?? 0) > MOST_WAITING;
  }

  /**
   * Return the answer to a request.
   *
   * @param {Record<string, any>} frame
   * @returns {Promise<any>}
   * @throws {Refused | Disconnected}
   */
  request(frame) {
    if (this.phase !== "ready") return Promise.reject(new Disconnected());
    const n = ++this.#n;
    this.#write({ ...frame, n });
    return new Promise((resolve, reject) => this.#asked.set(n, { resolve, reject }));
  }

  /** @param {Record<string, any>} frame */
  #write(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** @param {Phase} phase */
  #move(phase) {
    this.phase = phase;
    this.emit("phase", phase);
  }

  #greet() {
    this.#greeting = true;
    this.#hello = { purpose: "join", ...this.#makeHello() };
    this.#write({ t: "hello", version: 1, key: this.#identity.publicKey, origin: this.#origin, ...this.#hello });
  }

  /** @type {Record<string, any>} */
  #hello = {};

  /**
   * @param {WebSocket} socket
   * @param {string} data whole lines
   */
  #receive(socket, data) {
    for (const line of data.split("\n")) {
      if (line === "" || socket !== this.#socket) continue;
      let frame;
      try {
        frame = JSON.parse(line);
      } catch {
        continue; // no server of ours says such a line, and another one deserves no better
      }
      if (typeof frame === "object" && frame !== null && typeof frame.t === "string") this.#process(socket, frame);
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {Frame} frame
   */
  #process(socket, frame) {
    if (frame.t === "bye") {
      this.#ended(socket, new Refused(String(frame.code), String(frame.text)));
    } else if (this.#greeting) {
      this.#login(socket, frame);
    } else if (typeof frame.n === "number" && this.#asked.has(frame.n)) {
      const asked = this.#asked.get(frame.n);
      this.#asked.delete(frame.n);
      if (frame.t === "error") asked?.reject(new Refused(frame.code, frame.text, frame.names));
      else asked?.resolve(frame);
    } else {
      this.emit("frame", frame);
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {Frame} frame
   */
  async #login(socket, frame) {
    if (frame.t === "challenge") {
      this.emit("challenge", { server: String(frame.server), key: String(frame.key) });
      const { user, purpose } = this.#hello;
      const claim = { serverKey: frame.key, nonce: frame.nonce, user, purpose, origin: this.#origin };
      const signature = await this.#identity.sign(/** @type {import("./proof.js").Claim} */ (claim));
      if (socket === this.#socket) this.#write({ t: "prove", signature });
    } else if (frame.t === "welcome") {
      this.#greeting = false;
      this.#failures = 0;
      this.#pinger = setInterval(() => this.#ping(), PING_EVERY);
      this.#move("ready");
      this.emit("welcome", /** @type {any} */ (frame));
    } else if (frame.t === "error") {
      this.reason = new Refused(frame.code, frame.text, frame.names);
      this.#drop(socket);
      this.#move("refused");
    }
  }

  #ping() {
    const socket = this.#socket;
    if (socket === null || this.phase !== "ready") return;
    const timer = setTimeout(() => socket === this.#socket && this.#lost(socket), PONG_WITHIN);
    this.request({ t: "ping" }).then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
  }

  /**
   * @param {WebSocket} socket
   * @param {Refused} reason
   */
  #ended(socket, reason) {
    if (FINAL.has(reason.code)) {
      this.reason = reason;
      this.#drop(socket);
      this.#move("ended");
    } else {
      this.#lost(socket);
    }
  }

  /** @param {WebSocket} socket */
  #drop(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearInterval(this.#pinger);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(new Disconnected());
  }

  /** @param {WebSocket} socket */
  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#drop(socket);
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures += 1;
    this.retryAt = Date.now() + delay;
    this.#retry = setTimeout(() => this.start(), delay);
    this.#move("waiting");
  }
}
