/** The page once somebody is in: what stands where, and which address leads to what. */

import { conversationOf, pathOf } from "../core/paths.js";
import { Preferences } from "../storage/preferences.js";
import { Composer } from "./composer/composer.js";
import { el } from "./parts/dom.js";
import { Header } from "./places/header.js";
import { Sidebar } from "./places/sidebar.js";
import { Status } from "./status.js";
import { Timeline } from "./timeline/timeline.js";
import { setOffset } from "./parts/times.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { Storage } from "../storage/storage.js" */
/** @import { Message } from "../core/frames.js" */
/** @import { Conversation } from "../core/state.js" */
/** @import { Questions } from "./timeline/questions.js" */

export class Shell {
  #chat;
  #started = false;
  /** @type {import("./places/people.js").People | null} */
  #people = null;
  /** Opens the list of one's devices. @type {(() => unknown) | null} */
  devices = null;

  /**
   * @param {Chat} chat
   * @param {Storage} storage
   */
  constructor(chat, storage) {
    this.#chat = chat;
    this.storage = storage;
    this.preferences = new Preferences(storage);
    const go = (/** @type {string} */ of) => this.go(of);
    this.status = new Status(chat);
    this.sidebar = new Sidebar(chat, this.preferences, {
      onOpen: go,
      onBrowse: () => void this.browse(),
      onMe: () => void import("./account/ownmenu.js").then(({ openOwnMenu }) => openOwnMenu(chat, this)),
    });
    this.composer = new Composer(chat, { onOpen: go });
    this.header = new Header(chat, {
      onBack: () => this.go(null),
      onSearch: () => void this.search(),
      onPeople: () => void this.togglePeople(),
      onAbout: () => void this.about(),
    });
    this.timeline = new Timeline(chat, {
      onReply: (message) => this.composer.replyTo(message),
      onEdit: (pending) => this.composer.edit(pending),
      question: (message, conversation) => message.choices !== undefined && this.#question(message, conversation),
    });
    this.composer.root.id = "write";
    const skip = el("a", { class: "skip", href: "#write", onclick: this.#skip }, "Skip to writing");
    this.main = el("main", { tabIndex: -1 }, this.header.root, this.timeline.root, this.composer.root);
    this.root = el("div", { class: "shell" }, skip, this.status.root, this.sidebar.root, this.main);
    this.root.addEventListener("click", (event) => this.#clicked(event));
    window.addEventListener("popstate", () => void this.#follow());
    chat.on("clock", (offset) => setOffset(offset));
    chat.on("current", (current) => this.#opened(current));
    chat.on("phase", (phase) => phase === "ready" && this.root.isConnected && void this.start());
    this.preferences.on("changed", () => this.#theme());
  }

  /** Begin: somebody is in. What is not needed to read and to write is loaded once that is possible. */
  async start() {
    if (this.#started) return;
    this.#started = true;
    await this.preferences.load();
    await this.#follow();
    const { startUp } = await import("./startup.js");
    startUp(this.#chat, this);
  }

  /** @type {Questions | null} */
  #questions = null;

  /**
   * Return the node of a question, which is filled at once, but for the first one.
   *
   * @param {Message} message
   * @param {Conversation} conversation
   */
  #question(message, conversation) {
    const node = el("div", { class: "question" });
    const show = () => this.#questions?.show(node, message, conversation);
    if (this.#questions !== null) show();
    else
      void import("./timeline/questions.js").then(({ Questions }) => {
        this.#questions ??= new Questions(this.#chat);
        show();
      });
    return node;
  }

  /** Open the conversation that the address names. */
  async #follow() {
    const at = Number(/[?&]at=(\d{1,15})(?:&|$)/.exec(location.search)?.[1]) || undefined;
    await this.#chat.open(conversationOf(location.pathname), at);
  }

  /**
   * Have the address name the open conversation, as the server writes it, where something else than the address has
   * opened or closed it.
   *
   * @param {Conversation | null} current
   */
  #opened(current) {
    this.root.classList.toggle("open", current !== null);
    const of = current?.of ?? null;
    if (conversationOf(location.pathname) === of) return;
    history.replaceState(null, "", of === null ? "/" : pathOf(of) + location.search);
  }

  /**
   * Open a conversation, and have the address name it.
   *
   * @param {string | null} of
   * @param {number} [at] `seq` of a message
   */
  go(of, at) {
    if (of !== null && at !== undefined && of === this.#chat.current?.of) return this.timeline.goTo(at);
    const path = (of === null ? "/" : pathOf(of)) + (at === undefined ? "" : `?at=${at}`);
    if (path !== location.pathname + location.search) history.pushState(null, "", path);
    void this.#chat.open(of, at);
    if (of === null) this.sidebar.focus();
    else if (at === undefined) this.composer.focus();
  }

  /** Enter the open room, which is made if there is none. */
  async enter() {
    const { current } = this.#chat;
    if (current === null) return;
    try {
      this.go(await this.#chat.join(current.of));
    } catch (error) {
      this.#chat.failed(error);
    }
  }

  /** Show all rooms and people. */
  async browse() {
    const { openRooms } = await import("./places/rooms.js");
    openRooms(this.#chat, { onOpen: (of) => this.go(of) });
  }

  /** Search, first in the open conversation. */
  async search() {
    const { openSearch } = await import("./places/search.js");
    openSearch(this.#chat, { onOpen: (of, at) => this.go(of, at) });
  }

  /**
   * Go anywhere by the first letters of a name.
   *
   * @param {() => string} typed returns what was written while the switcher was loaded
   */
  async switcher(typed) {
    const { openSwitcher } = await import("./places/switcher.js");
    openSwitcher(this.#chat, { onOpen: (of) => this.go(of), typed: typed() });
  }

  /** Show all keys. */
  async help() {
    const { openHelp } = await import("./account/help.js");
    openHelp();
  }

  /** Show, or hide, the members of the open room beside it. */
  async togglePeople() {
    const { People } = await import("./places/people.js");
    if (this.#people === null) {
      this.#people = new People(this.#chat, {
        onPerson: (user) => void this.person(user),
        onClose: () => void this.togglePeople(),
      });
      this.root.append(this.#people.root);
    } else {
      this.#people.close();
      this.#people = null;
      this.header.focusPeople();
    }
    this.header.showsPeople(this.#people !== null);
  }

  /** Show what there is to know, and to do, about the open conversation. */
  async about() {
    const { current } = this.#chat;
    if (current === null) return;
    if (!current.isRoom) return this.person(current.of);
    const { openRoom } = await import("./places/room.js");
    openRoom(this.#chat, this, current);
  }

  /**
   * Show what there is to know, and to do, about a person.
   *
   * @param {string} user
   */
  async person(user) {
    const { openPerson } = await import("./places/person.js");
    openPerson(this.#chat, this, user);
  }

  #theme() {
    const { theme } = this.preferences.values;
    for (const scheme of ["light", "dark"]) document.documentElement.classList.toggle(scheme, theme === scheme);
  }

  /** @param {Event} event */
  #skip = (event) => {
    event.preventDefault();
    this.composer.focus();
  };

  /** @param {MouseEvent} event */
  #clicked(event) {
    const link = /** @type {HTMLElement} */ (event.target).closest("a[data-of]");
    if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.go(link.dataset["of"] ?? null);
  }
}
