/** Ways to keep a name: one more device, or a token that brings it back. */

import { copyable, quoted, serverAddress } from "../parts/copying.js";
import { el } from "../parts/dom.js";
import { printable, printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */

/**
 * Return the controls that add a device: a button that asks for a code, and then the code as an address and as a command.
 *
 * @param {Chat} chat
 */
export function linking(chat) {
  const place = el("div", { class: "linking", "aria-live": "polite" });
  const ask = async () => {
    try {
      const { code, until } = await chat.request({ t: "link" });
      show(place, chat, printableLine(code), until, ask); // it is pasted into a terminal
    } catch (error) {
      complain(place, error);
    }
  };
  place.append(el("button", { type: "button", onclick: () => void ask() }, "Add a device"));
  return place;
}

/**
 * @param {HTMLElement} place
 * @param {Chat} chat
 * @param {string} code
 * @param {number} until
 * @param {() => unknown} again
 */
function show(place, chat, code, until, again) {
  const url = `${location.origin}/#${new URLSearchParams({ name: chat.me, link: code })}`;
  const command = `chatcli join --server ${quoted(serverAddress())} --user ${quoted(chat.me)} --link ${quoted(code)}`;
  const left = el("p", { class: "faint" });
  // The server's clock may differ from this one: a code is good for ten minutes from now.
  const ends = Date.now() + Math.min(Math.max(until - Date.now(), 60_000), 600_000);
  const address = copyable(
    isLoopback(location.hostname)
      ? "In another browser, open this address:"
      : "In another browser, open this address, or scan it:",
    url,
  );
  place.replaceChildren(address, copyable("In a terminal:", command), left);
  if (isLoopback(location.hostname))
    address.append(el("p", { class: "faint" }, "This address works on this machine only."));
  else
    void import("./qr.js").then(({ drawQr }) => address.append(drawQr(url, "QR code of the address"))).catch(() => {});
  const tick = () => {
    if (!place.isConnected) return;
    const seconds = Math.ceil((ends - Date.now()) / 1000);
    if (seconds <= 0) {
      place.replaceChildren(
        el("p", {}, "The code is too old."),
        el("button", { type: "button", onclick: () => void again() }, "Make another one"),
      );
      return;
    }
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    left.textContent = `For one device, and for ${clock} more. Who uses it first is ${chat.me}.`;
    setTimeout(tick, 1000);
  };
  tick();
}

/**
 * Return whether a name or an address leads to the machine itself, on whichever it is used.
 *
 * @param {string} host
 */
export function isLoopback(host) {
  return /^(127(\.\d+){3}|\[::1\]|(.+\.)?localhost\.?)$/.test(host);
}

/**
 * Return the controls that make a recovery token.
 *
 * @param {Chat} chat
 * @param {() => void} onMade
 */
export function recovery(chat, onMade) {
  const place = el("div", { class: "linking", "aria-live": "polite" });
  const ask = async () => {
    try {
      const { token } = await chat.request({ t: "token", scope: "recover", label: "recovery" });
      onMade();
      const print = el("button", { type: "button", onclick: () => window.print() }, "Print");
      place.replaceChildren(
        copyable(
          "Keep this in a password manager, or on paper. It is shown once, and whoever has it can be you.",
          token,
        ),
        el("p", { class: "faint" }, `To come back: open ${location.origin}, say “I have a name here”, and type it.`),
        print,
      );
    } catch (error) {
      complain(place, error);
    }
  };
  place.append(el("button", { type: "button", onclick: () => void ask() }, "Make a recovery token"));
  return place;
}

/**
 * @param {HTMLElement} place
 * @param {unknown} error
 */
function complain(place, error) {
  place.querySelector(".problem")?.remove();
  place.append(el("p", { class: "problem", role: "alert" }, printable(error instanceof Error ? error.message : "")));
}
