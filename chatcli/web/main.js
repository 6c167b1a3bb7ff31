/** Where the page begins: the key, the connection, the entrance, the chat. */

import { Chat } from "./core/chat.js";
import { Connection } from "./core/connection.js";
import { loadIdentity, Unsupported } from "./core/identity.js";
import { openStorage } from "./core/storage.js";
import { Tabs } from "./core/tabs.js";
import { Bars } from "./views/bars.js";
import { el } from "./views/dom.js";
import { Doubt, sentence } from "./views/doubt.js";
import { Entrance } from "./views/entrance.js";
import { Shell } from "./views/shell.js";
import { printableLine } from "./views/text.js";
import { shortTime } from "./views/times.js";

/** @import { NameChange } from "./core/frames.js" */
/** @import { Identity } from "./core/identity.js" */
/** @import { Phase } from "./core/connection.js" */
/** @import { Storage } from "./core/storage.js" */
/** @import { Codes } from "./views/entrance.js" */

const CHECK_AFTER = 1000; // ms after a welcome, when more urgent things are done

const app = /** @type {HTMLElement} */ (document.getElementById("app"));

/** Return how this browser is called in a list of keys. */
function deviceName() {
  const { userAgent } = navigator;
  const browser = ["Edg", "Firefox", "Chrome", "Safari"].find((name) => userAgent.includes(name)) ?? "Browser";
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"].find((name) => userAgent.includes(name));
  return system === undefined ? browser : `${browser.replace("Edg", "Edge")} on ${system}`;
}

/**
 * Read the codes in the address, and remove all that is not a place in the chat: it may be a secret.
 *
 * @returns {Codes}
 */
function readCodes() {
  const given = new URLSearchParams(location.hash.slice(1));
  const at = new URLSearchParams(location.search).get("at");
  const search = at === null ? "" : `?${new URLSearchParams({ at })}`;
  if (location.hash || location.search !== search) history.replaceState(null, "", location.pathname + search);
  const codes = /** @type {Codes} */ ({});
  for (const name of /** @type {const} */ (["name", "invite", "link", "pin"]))
    codes[name] = given.get(name) ?? undefined;
  return codes;
}

/** The page, from the entrance to the chat. */
class Page {
  #storage;
  #identity;
  #tabs = new Tabs();
  #bars = new Bars();
  #serverKey = "";
  #server = "";
  #entrance;
  #chat;
  #shell;

  /**
   * @param {Storage} storage
   * @param {Identity} identity
   * @param {Codes} codes
   */
  constructor(storage, identity, codes) {
    this.#storage = storage;
    this.#identity = identity;
    const url = `${location.origin.replace(/^http/, "ws")}/-/ws`;
    /** @type {Connection} */
    const connection = new Connection({ url, origin: location.origin, identity, makeHello: () => chat.hello() });
    /** @type {Chat} */
    const chat = (this.#chat = new Chat(connection, storage, deviceName()));
    const onSubmit = (/** @type {string} */ name, /** @type {Codes} */ given) => void this.#submit(name, given);
    this.#entrance = new Entrance(chat, { codes, onSubmit, durable: storage.durable });
    this.#shell = new Shell(chat, storage);
    this.#shell.status.root.append(this.#bars.root);
    const doubt = new Doubt(chat, (pending) => this.#shell.composer.edit(pending));
    this.#shell.composer.root.before(doubt.root);
    Object.assign(this.#shell, { devices: () => this.#openDevices() });
    chat.on("phase", (phase) => this.#moved(phase));
    connection.on("challenge", ({ key }) => void this.#challenged(key, codes.pin));
    connection.on("welcome", ({ server }) => this.#welcomed(server));
    this.#listen();
  }

  #listen() {
    for (const event of ["online", "offline", "focus"]) window.addEventListener(event, () => this.#chat.wake());
    document.addEventListener("visibilitychange", () => this.#chat.look(!document.hidden));
    window.addEventListener("pagehide", () => this.#chat.leave());
    // A page that was only put aside comes back as it was, but for the connection.
    window.addEventListener("pageshow", (event) => event.persisted && this.#chat.resume());
    window.addEventListener("unhandledrejection", (event) => this.#rejected(event));
    // Codes that are put into the address of a page that is open already.
    window.addEventListener("hashchange", () => location.hash.includes("=") && location.reload());
    this.#chat.on("renewed", (change) => this.#renewed(change));
    this.#tabs.on("login", ({ user }) => this.#follow(user));
    this.#tabs.on("forgotten", () => location.reload());
    this.#storage.onLoss = () => {
      const text = "This browser keeps no more for this page: what waits to be sent lasts as long as this tab.";
      this.#bars.show("storage", text, [["OK", () => this.#bars.hide("storage")]], { loud: true });
    };
  }

  /**
   * Come in under the name of the last visit, or ask for one.
   *
   * @param {Codes} codes
   */
  async begin(codes) {
    const user = await this.#storage.get("settings", "user");
    const again = /** @type {{user: string, codes: Codes} | undefined} */ (history.state?.login);
    if (again !== undefined) history.replaceState(null, "");
    if (again === undefined && typeof user === "string" && (codes.link === undefined || codes.name === user)) {
      await this.#chat.login(user, { link: codes.link });
      return;
    }
    this.#enter();
    if (again !== undefined) this.#entrance.submit(again.user, again.codes);
  }

  #enter() {
    app.replaceChildren(this.#entrance.root);
    this.#entrance.focus();
  }

  /**
   * @param {string} user
   * @param {Codes} codes
   */
  async #submit(user, codes) {
    if (this.#chat.state.me === "" || this.#chat.state.me === user) {
      await this.#chat.login(user, codes);
    } else {
      // Somebody else from now on, who must see nothing of what is known here. Only this origin can read this.
      history.replaceState({ login: { user, codes } }, "", "/");
      location.reload();
    }
  }

  /** @param {Phase} phase */
  #moved(phase) {
    const shown = this.#shell.root.isConnected;
    if (phase === "ready" && !shown) {
      app.replaceChildren(this.#shell.root);
      void this.#shell.start();
      this.#tabs.say("login", { user: this.#chat.me });
      void navigator.storage?.persist?.();
    } else if ((phase === "waiting" || phase === "ended") && !shown && !this.#entrance.root.isConnected) {
      app.replaceChildren(this.#shell.root); // which says how it stands with the connection
    } else if (phase === "refused" && !this.#entrance.root.isConnected) {
      app.replaceChildren(this.#entrance.root);
    }
    if (phase === "ended") this.#ended();
    else this.#bars.hide("ended");
  }

  /** Say why the server has closed for good, and what can be done. */
  #ended() {
    const { reason, me } = this.#chat;
    const text = `${reason?.message ?? ""} What you have not sent is kept in this browser.`;
    const again = /** @type {const} */ ([`Come in again as ${printableLine(me)}`, () => this.#chat.resume()]);
    const other = /** @type {const} */ (["Another name", () => this.#leave()]);
    const reload = /** @type {const} */ (["Load the page again", () => location.reload()]);
    const actions = reason?.code === "unsupported_version" ? [reload] : [again, other];
    this.#bars.show("ended", text, /** @type {import("./views/bars.js").Action[]} */ (actions), { loud: true });
  }

  /** Go back to the entrance; the name stays that of this browser's key. */
  async #leave() {
    this.#chat.leave();
    await this.#storage.delete("settings", "user");
    location.assign("/");
  }

  /**
   * @param {string} key fingerprint of the server's
   * @param {string | undefined} pin
   */
  async #challenged(key, pin) {
    if (key === this.#serverKey) return;
    this.#serverKey = key;
    const { checkServer } = await import("./views/safety.js");
    await checkServer(key, pin, this.#storage, this.#bars, () => void this.#leave());
  }

  /** @param {string} server its program and version */
  #welcomed(server) {
    if (this.#server !== "" && this.#server !== server) this.#outdated();
    this.#server = server;
    setTimeout(() => void this.#check().catch((error) => this.#chat.failed(error)), CHECK_AFTER);
  }

  async #check() {
    const { checkKeys } = await import("./views/safety.js");
    await checkKeys(this.#chat, this.#storage, this.#bars, () => this.#openDevices());
  }

  async #openDevices() {
    const { openDevices } = await import("./views/devices.js");
    await openDevices({
      chat: this.#chat,
      identity: this.#identity,
      serverKey: this.#serverKey,
      forget: () => this.#forget(),
      onKept: () => {
        this.#bars.hide("kept");
        void this.#storage.put("settings", `kept:${this.#chat.me}`, true);
      },
    });
  }

  /**
   * Say that a name has one more key; what else happens to names is asked where one writes to them.
   *
   * @param {NameChange} change
   */
  #renewed(change) {
    if (change.what !== "key") return;
    if (change.user !== this.#chat.me) {
      this.#chat.emit("notice", { text: `${sentence(change)}.`, failed: false });
      return;
    }
    const text = `Your name has had one more key since ${shortTime(change.at)}. If that was not you, revoke it.`;
    const look = () => (this.#bars.hide("key"), this.#openDevices());
    this.#bars.show(
      "key",
      text,
      [
        ["Devices…", look],
        ["It was me", () => this.#bars.hide("key")],
      ],
      { loud: true },
    );
  }

  /** Delete the key and all else, here and in the other tabs. */
  async #forget() {
    this.#chat.leave();
    await this.#storage.forget();
    this.#tabs.say("forgotten", null);
    location.assign("/");
  }

  /** Say that the server has another page now, as what this one has yet to load is gone there. */
  #outdated() {
    this.#bars.show("outdated", "The server has a newer version of this page.", [["Load it", () => location.reload()]]);
  }

  /** @param {PromiseRejectionEvent} event */
  #rejected(event) {
    if (!/dynamically imported module|Importing a module/i.test(String(event.reason?.message))) return;
    event.preventDefault();
    if (this.#chat.phase === "ready") this.#outdated();
    else this.#chat.emit("notice", { text: "That cannot be opened while the server is not reached.", failed: true });
  }

  /**
   * Come in as another tab has.
   *
   * @param {string} user
   */
  #follow(user) {
    if (this.#entrance.root.isConnected && this.#entrance.untouched) this.#entrance.submit(user);
  }
}

async function begin() {
  const codes = readCodes();
  const storage = await openStorage();
  const page = new Page(storage, await loadIdentity(storage), codes);
  await page.begin(codes);
}

begin().catch((error) => {
  const text = error instanceof Unsupported ? error.message : "Something in this page went wrong. Load it again.";
  app.replaceChildren(el("p", { class: "problem alone", role: "alert" }, text));
  if (!(error instanceof Unsupported)) console.error(error);
});
