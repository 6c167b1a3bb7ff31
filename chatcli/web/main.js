/** Where the page begins: the key, the connection, the entrance, the chat. */

import { Chat } from "./core/chat.js";
import { Connection } from "./transport/connection.js";
import { loadIdentity, Unsupported } from "./storage/identity.js";
import { openStorage } from "./storage/storage.js";
import { Tabs } from "./storage/tabs.js";
import { el } from "./views/parts/dom.js";
import { Entrance } from "./views/entrance.js";

/** @import { Identity } from "./storage/identity.js" */
/** @import { Phase } from "./transport/connection.js" */
/** @import { Storage } from "./storage/storage.js" */
/** @import { Codes } from "./views/entrance.js" */
/** @import { Guard } from "./views/guard.js" */
/** @import { Shell } from "./views/shell.js" */

const app = /** @type {HTMLElement} */ (document.getElementById("app"));

/** Return the label of this browser in a list of keys. */
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
  #pin;
  #entrance;
  #chat;
  /** The rest of the page, needed once somebody is in; loaded while they choose a name. @type {Promise<void> | null} */
  #loading = null;
  /** @type {Shell | null} */
  #shell = null;
  /** @type {Guard | null} */
  #guard = null;

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
    chat.on("phase", (phase) => this.#moved(phase));
    chat.on("renewed", (change) => this.#guard?.renewed(change));
    connection.on("challenge", ({ key }) => void this.#guard?.challenged(key));
    connection.on("welcome", ({ server }) => this.#guard?.welcomed(server));
    this.#pin = codes.pin;
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
    this.#tabs.on("login", ({ user }) => this.#follow(user));
    this.#tabs.on("forgotten", () => location.reload());
  }

  /** Load what is needed once somebody is in, and put it together; nobody logs in before. */
  #load() {
    this.#loading ??= this.#loadNow().catch((error) => {
      this.#loading = null; // the next attempt loads it again
      throw error;
    });
    return this.#loading;
  }

  async #loadNow() {
    const [{ Shell }, { Guard }] = await Promise.all([import("./views/shell.js"), import("./views/guard.js")]);
    const chat = this.#chat;
    const storage = this.#storage;
    const shell = new Shell(chat, storage);
    const guard = new Guard({ chat, storage, identity: this.#identity, tabs: this.#tabs, shell, pin: this.#pin });
    shell.devices = () => guard.openDevices();
    this.#shell = shell;
    this.#guard = guard;
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
      await this.#load();
      this.#entrance.open();
      await this.#chat.login(user, { link: codes.link });
      return;
    }
    this.#enter();
    this.#load().then(
      () => this.#entrance.open(),
      () => this.#entrance.close(),
    );
    if (again !== undefined) this.#entrance.submit(again.user, again.codes);
  }

  #enter() {
    app.replaceChildren(this.#entrance.root);
    this.#entrance.focus();
    void this.#showUnsent();
  }

  /** Show at the entrance what waits to be sent: whoever is kept out sees that it is still there. */
  async #showUnsent() {
    if ((await this.#storage.keys("outbox")).length === 0) return;
    const { showUnsent } = await import("./views/unsent.js");
    await showUnsent(this.#entrance.unsent, this.#chat, this.#storage);
  }

  /**
   * @param {string} user
   * @param {Codes} codes
   */
  async #submit(user, codes) {
    if (this.#chat.state.me === "" || this.#chat.state.me === user) {
      await this.#load();
      await this.#chat.login(user, codes);
    } else {
      // Somebody else from now on, who must see nothing of what is known here. Only this origin can read this.
      history.replaceState({ login: { user, codes } }, "", "/");
      location.reload();
    }
  }

  /** @param {Phase} phase */
  #moved(phase) {
    const shell = this.#shell;
    if (shell === null) return; // nobody has logged in
    const shown = shell.root.isConnected;
    if (phase === "ready" && !shown) {
      app.replaceChildren(shell.root);
      void shell.start();
      this.#tabs.say("login", { user: this.#chat.me });
      void navigator.storage?.persist?.();
    } else if ((phase === "waiting" || phase === "ended") && !shown && !this.#entrance.root.isConnected) {
      app.replaceChildren(shell.root); // which says how it stands with the connection
    } else if (phase === "refused" && !this.#entrance.root.isConnected) {
      app.replaceChildren(this.#entrance.root);
      void this.#showUnsent();
    }
    if (phase === "ended") this.#guard?.ended();
  }

  /** @param {PromiseRejectionEvent} event */
  #rejected(event) {
    if (!/dynamically imported module|Importing a module/i.test(String(event.reason?.message))) return;
    event.preventDefault();
    if (this.#chat.phase === "ready") this.#guard?.outdated();
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
