/** The devices of one's name: their keys, a code for one more, tokens, and the key of the server. */

import { copyable, serverAddress } from "../parts/copying.js";
import { openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { linking, recovery } from "./linking.js";
import { printable, printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Identity } from "../../storage/identity.js" */

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" }); // as the server counts them

/**
 * @typedef {{fingerprint: string, since: number, device?: string}} Key
 * @typedef {{id: string, scope: string, since: number, label?: string, to?: string[], until?: number, used?: number}} Token
 */

/**
 * Open the dialog.
 *
 * @param {object} options
 * @param {Chat} options.chat
 * @param {Identity} options.identity
 * @param {string} options.serverKey fingerprint
 * @param {() => Promise<void>} options.forget deletes everything that this browser keeps
 * @param {() => void} options.onKept the name outlives this browser now
 */
export async function openDevices({ chat, identity, serverKey, forget, onKept }) {
  const keys = el("ul", { class: "devices", "aria-label": "Devices" });
  const tokens = el("ul", { class: "devices", "aria-label": "Tokens" });
  const tokenTitle = el("h3", { hidden: true }, "Tokens");
  const problem = el("p", { class: "problem", role: "alert", hidden: true });

  const load = async () => {
    try {
      const known = /** @type {Key[]} */ ((await chat.request({ t: "keys" })).keys);
      const made = /** @type {Token[]} */ ((await chat.request({ t: "tokens" })).tokens);
      keys.replaceChildren(...known.map((key) => keyItem(key, known.length)));
      tokens.replaceChildren(...made.map(tokenItem));
      tokenTitle.hidden = made.length === 0;
      if (known.length > 1) onKept();
    } catch (error) {
      complain(error);
    }
  };
  const complain = (/** @type {unknown} */ error) => {
    problem.textContent = printable(error instanceof Error ? error.message : "");
    problem.hidden = false;
  };
  const act = async (/** @type {Record<string, any>} */ frame) => {
    problem.hidden = true;
    try {
      await chat.request(frame);
      await load();
    } catch (error) {
      complain(error);
    }
  };

  /**
   * @param {Key} key
   * @param {number} count
   */
  function keyItem({ fingerprint, since, device }, count) {
    const own = fingerprint === identity.fingerprint;
    const name = printableLine(device || "A device without a label");
    return item(
      own ? `${name} (this browser)` : name,
      `since ${dates.format(since)}, ${printableLine(fingerprint)}`,
      own || count < 2
        ? null
        : ["Revoke", `Who uses ${name} is logged out there for good.`, () => act({ t: "revoke", key: fingerprint })],
    );
  }

  /** @param {Token} token */
  function tokenItem({ id, scope, since, label, to = [], until, used }) {
    const words = [
      `since ${dates.format(since)}`,
      scope === "recover" ? "brings the name back" : `may ${printableLine(scope)}`,
    ];
    if (to.length) words.push(`to ${to.map(printableLine).join(", ")}`);
    if (until) words.push(`until ${dates.format(until)}`);
    if (used) words.push(`last used ${days.format(used)}`);
    const about = scope === "recover" ? "It brings the name back no more." : "What uses it is logged out.";
    return item(printableLine(label || id), words.join(", "), [
      "Revoke",
      about,
      () => act({ t: "untoken", token: id }),
    ]);
  }

  openDialog(
    `Devices of ${printableLine(chat.me)}`,
    [
      keys,
      linking(chat),
      el("h3", {}, "If all devices are lost"),
      el("p", { class: "faint" }, "A browser may forget its key. A recovery token brings the name back, once."),
      recovery(chat, () => (onKept(), void load())),
      tokenTitle,
      tokens,
      problem,
      el("h3", {}, "This server"),
      copyable("Its address in a terminal:", `chatcli join --server ${serverAddress()}`),
      copyable("Its key; compare it with the one that “chatcli serve” prints:", printableLine(serverKey)),
      el("h3", {}, "This browser"),
      forgetting(chat, keys, forget),
    ],
    { wide: true, onClose: chat.on("renewed", () => void load()) }, // such as the device that is being added
  );
  await load();
}

/**
 * Return one line of a list, with what can be done to it after a second press.
 *
 * @param {string} title
 * @param {string} about
 * @param {[string, string, () => unknown] | null} action its words, what follows from it, and the action
 */
function item(title, about, action) {
  const place = el("div", { class: "choices" });
  if (action !== null) confirmable(place, `${action[0]} ${title}`, ...action);
  return el("li", {}, el("p", {}, el("strong", { dir: "auto" }, title)), el("p", { class: "faint" }, about), place);
}

/**
 * Put a button into a place, which asks before it acts; return what asks.
 *
 * @param {HTMLElement} place
 * @param {string} label
 * @param {string} words
 * @param {string} warning
 * @param {() => unknown} act
 */
function confirmable(place, label, words, warning, act) {
  const ask = () => {
    const yes = el("button", { type: "button", class: "danger", onclick: () => void act() }, words);
    const no = el("button", { type: "button", onclick: () => start().focus() }, "Cancel");
    place.replaceChildren(el("p", { class: "problem", role: "alert" }, printable(warning)), yes, no);
    no.focus();
  };
  const start = () => {
    const button = el("button", { type: "button", "aria-label": label, onclick: ask }, `${words}…`);
    place.replaceChildren(button);
    return button;
  };
  start();
  return ask;
}

/**
 * @param {Chat} chat
 * @param {HTMLElement} keys
 * @param {() => Promise<void>} forget
 */
function forgetting(chat, keys, forget) {
  const place = el("div", { class: "choices" });
  const me = printableLine(chat.me);
  const warning = () =>
    keys.children.length > 1
      ? `This browser deletes its key, drafts and unsent messages. ${me} stays yours on the other devices.`
      : `This browser has the only key of ${me}. Without a recovery token nobody can ever be ${me} again.`;
  const words = "Forget me here";
  const ask = el(
    "button",
    { type: "button", onclick: () => confirmable(place, words, words, warning(), forget)() },
    `${words}…`,
  );
  place.append(ask);
  return place;
}
