/** The connection to the server: a WebSocket that says hello, proves the key, and comes back by itself. No DOM. */

import { Emitter } from "../core/emitter.js";
import { Disconnected, Refused } from "../core/frames.js";
import { answerTo, readFrame } from "./validate.js";

/** @import { Identity } from "../storage/identity.js" */
/** @import { Frame, Welcome } from "../core/frames.js" */

const FIRST_DELAY = 500; // ms until the first attempt to come back
const SOON = 60_000; // ms without a connection in which a server starts anew, mostly,
const LONGEST_SOON = 5000; // ms, so that it is tried often
const LONGEST_DELAY = 30_000; // ms; a laptop that wakes up does not wait: see `wake`
const LONGEST_UNSEEN = 120_000; // ms, while nobody looks at the page
const WELCOME_WITHIN = 15_000; // ms from an attempt on, after which it has failed
const LASTED = 10_000; // ms after which a connection was no failure
const PING_EVERY = 20_000; // ms
const PONG_WITHIN = 8_000; // ms, after which the connection counts as dead
const WAKE_EVERY = 1000; // ms between two attempts that somebody, or the browser, has asked for
const LONGEST_TEXT = 32 * 1024 * 1024; // characters in one message of the WebSocket
const MOST_WAITING = 64 * 1024; // bytes that the browser has yet to send

const MOST_NONSENSE = 20; // frames of one connection that are not understood
const NONSENSE = /** @type {const} */ (["nonsense", "The server's answer was not understood."]);

/** Farewells after which coming back would not help, or would be a fight. */
const FINAL = new Set([
  "kicked",
  "banned",
  "taken_over",
  "bad_proof",
  "nonsense",
  "unsupported_version",
  "tls_required",
]);

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
  #nonsense = 0;
  /** @type {Map<number, {answer: string, resolve: (answer: any) => void, reject: (error: Error) => void}>} */
  #asked = new Map();
  #n = 0;
  #failures = 0;
  #startedAt = 0;
  #lostAt = 0;
  #heardAt = 0;
  /** @type {number | undefined} */
  #deadline;
  /** @type {number | undefined} */
  #retry;
  /** @type {number | undefined} */
  #pinger;
  #greeting = false; // hello was said, and no welcome came
  #signed = false;
  #welcomedAt = 0;

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
    /** Why it was refused or has ended, or what the server said before it closed. @type {Refused | null} */
    this.reason = null;
    /** Whether nobody looks at the page: then it takes its time to come back. */
    this.unseen = false;
    /** The time of the next attempt, as `Date.now()`. */
    this.retryAt = 0;
  }

  /** Connect, and come back whenever the connection is lost. */
  start() {
    if (this.#socket !== null) return;
    clearTimeout(this.#retry);
    this.#startedAt = Date.now();
    this.#greeting = false;
    this.#nonsense = 0;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => this.#greet();
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onclose = () => this.#broken(socket);
    this.#deadline = setTimeout(() => this.#lost(socket), WELCOME_WITHIN);
    this.#move("connecting");
  }

  /** Say goodbye, and do not come back. */
  stop() {
    clearTimeout(this.#retry);
    this.#failures = 0;
    const socket = this.#socket;
    if (socket !== null) {
      this.#write({ t: "bye" });
      this.#drop(socket);
    }
    this.#move("idle");
  }

  /** Look at once whether the connection is alive; called when the page is shown again, or the network is back. */
  wake() {
    const waited = Date.now() - this.#startedAt;
    if (this.phase === "ready") {
      this.#ping();
    } else if (this.phase === "waiting" && Math.abs(waited) > WAKE_EVERY) {
      this.#failures = Math.min(this.#failures, 1);
      this.start();
    } else if (this.phase === "connecting" && this.#socket !== null && Math.abs(waited) > PONG_WITHIN / 2) {
      this.#drop(this.#socket); // the network may be another one than when that began
      this.start();
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
    const answer = answerTo(frame["t"]);
    return new Promise((resolve, reject) => this.#asked.set(n, { answer, resolve, reject }));
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
    this.#signed = false;
    this.#hello = { purpose: "join", ...this.#makeHello() };
    this.#write({ t: "hello", version: 1, key: this.#identity.publicKey, origin: this.#origin, ...this.#hello });
  }

  /** @type {Record<string, any>} */
  #hello = {};

  /**
   * @param {WebSocket} socket
   * @param {unknown} data whole lines
   */
  #receive(socket, data) {
    this.#heardAt = Date.now();
    const lines = typeof data === "string" && data.length <= LONGEST_TEXT ? data.split("\n") : ["too long"];
    for (const line of lines) {
      if (line !== "" && socket === this.#socket) this.#process(socket, readFrame(line));
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {Frame} frame valid
   */
  #process(socket, frame) {
    const asked = this.#asked.get(frame.n ?? 0);
    if (frame.t === "bye") {
      this.#ended(socket, new Refused(frame["code"], frame["text"]));
    } else if (this.phase !== "ready") {
      if (this.#greeting) void this.#login(socket, frame).catch(() => this.#lost(socket));
    } else if (asked !== undefined) {
      this.#asked.delete(frame.n ?? 0);
      if (frame.t === "error") asked.reject(new Refused(frame["code"], frame["text"], frame["names"]));
      else if (frame.t === asked.answer) asked.resolve(frame);
      else asked.reject(new Refused(...NONSENSE));
    } else if (frame.t !== "nonsense") {
      this.emit("frame", frame);
    } else if ((this.#nonsense += 1) > MOST_NONSENSE) {
      this.#ended(socket, new Refused("nonsense", "The server says what this page does not understand."));
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {Frame} frame
   */
  async #login(socket, frame) {
    if (frame.t === "challenge" && !this.#signed) {
      this.#signed = true;
      this.emit("challenge", { server: frame["server"], key: frame["key"] });
      const { user, purpose } = this.#hello;
      const claim = { serverKey: frame["key"], nonce: frame["nonce"], user, purpose, origin: this.#origin };
      const signature = await this.#identity.sign(/** @type {import("./proof.js").Claim} */ (claim));
      if (socket === this.#socket) this.#write({ t: "prove", signature });
    } else if (frame.t === "welcome") {
      this.#greeting = false;
      clearTimeout(this.#deadline);
      this.#welcomedAt = Date.now();
      this.#pinger = setInterval(() => this.#ping(), PING_EVERY);
      this.reason = null;
      this.#move("ready");
      this.emit("welcome", /** @type {any} */ (frame));
    } else if (frame.t === "error") {
      this.reason = new Refused(frame["code"], frame["text"], frame["names"]);
      this.#drop(socket);
      this.#move("refused");
    }
  }

  /** Ask for a sign of life; whatever comes is one. */
  #ping() {
    const socket = this.#socket;
    if (socket === null || this.phase !== "ready") return;
    const before = this.#heardAt;
    const timer = setTimeout(() => {
      if (socket === this.#socket && this.#heardAt === before) this.#lost(socket);
    }, PONG_WITHIN);
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
    if (socket !== this.#socket) return;
    this.reason = reason;
    if (FINAL.has(reason.code)) {
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
    clearTimeout(this.#deadline);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(new Disconnected());
  }

  /**
   * Take in that the connection has ended without a word; what the server said before it stopped still holds.
   *
   * @param {WebSocket} socket
   */
  #broken(socket) {
    if (this.phase === "ready") this.reason = null;
    this.#lost(socket);
  }

  /** @param {WebSocket} socket */
  #lost(socket) {
    if (socket !== this.#socket) return;
    // A server that welcomes and closes at once is not to be called again and again without a pause.
    if (this.phase === "ready" && Date.now() - this.#welcomedAt > LASTED) this.#failures = 0;
    this.#drop(socket);
    const now = Date.now();
    if (this.#failures === 0) this.#lostAt = now;
    if (this.phase === "connecting" && this.reason?.code === "stopping") this.reason = null; // it has stopped by now
    const seen = now - this.#lostAt < SOON ? LONGEST_SOON : LONGEST_DELAY;
    const longest = this.unseen ? LONGEST_UNSEEN : seen;
    const delay = Math.min(longest, FIRST_DELAY * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures += 1;
    this.retryAt = now + delay;
    this.#retry = setTimeout(() => this.start(), delay);
    this.#move("waiting");
  }
}
