/** What somebody should know about their name and the server: said once, in a bar. */

import { printableLine } from "./parts/text.js";

/** @import { Chat } from "../core/chat.js" */
/** @import { NameChange } from "../core/frames.js" */
/** @import { Identity } from "../storage/identity.js" */
/** @import { Storage } from "../storage/storage.js" */
/** @import { Bars } from "./parts/bars.js" */

const SAME = 2000; // ms between a key and the change that it made: one login, by the server's clock

/**
 * Say that the name lives in this browser only, until it does not, or somebody has heard it.
 *
 * @param {Chat} chat
 * @param {Storage} storage
 * @param {Bars} bars
 * @param {() => unknown} openDevices
 */
export async function checkKeys(chat, storage, bars, openDevices) {
  const setting = `kept:${chat.me}`;
  if ((await storage.get("settings", setting)) === true) return;
  const { keys } = await chat.request({ t: "keys" });
  const { tokens } = await chat.request({ t: "tokens" });
  const kept = () => {
    void storage.put("settings", setting, true);
    bars.hide("kept");
  };
  if (keys.length > 1 || tokens.some((/** @type {{scope: string}} */ { scope }) => scope === "recover")) return kept();
  const lives = storage.durable ? "in this browser only" : "as long as this tab";
  bars.show("kept", `The name ${printableLine(chat.me)} lives ${lives}.`, [
    ["Keep the name…", openDevices],
    ["Not now", kept],
  ]);
}

/**
 * Return whether the key that a name has got is that of this browser, of which nobody here need be warned.
 *
 * @param {Chat} chat
 * @param {Identity} identity
 * @param {NameChange} change
 */
export async function isOwnKey(chat, { fingerprint }, { at }) {
  /** @type {{keys: {fingerprint: string, since: number}[]}} */
  const { keys } = await chat.request({ t: "keys" });
  return keys.some((key) => key.fingerprint === fingerprint && Math.abs(key.since - at) < SAME);
}

/**
 * Compare the server's key with the one of the last visit, or of an address that had one.
 *
 * @param {string} key fingerprint
 * @param {string | undefined} pin
 * @param {Storage} storage
 * @param {Bars} bars
 * @param {() => unknown} leave
 */
export async function checkServer(key, pin, storage, bars, leave) {
  const known = pin ?? (await storage.get("settings", "server"));
  const accept = () => {
    void storage.put("settings", "server", key);
    bars.hide("server");
  };
  if (known === undefined || known === key) return accept();
  const text =
    `The key of this server is another one than before. It was set up anew, or somebody is between you and it. ` +
    `Compare with the key that “chatcli serve” prints: it is ${printableLine(key)} now, and was ${printableLine(known)}.`;
  bars.show(
    "server",
    text,
    [
      ["It is right", accept],
      ["Leave", leave],
    ],
    { loud: true },
  );
}
