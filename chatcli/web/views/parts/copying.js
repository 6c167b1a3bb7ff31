/** Texts that people take somewhere else. */

import { el } from "./dom.js";

const SAID_FOR = 2000; // ms

/**
 * Return a text with a button that copies it.
 *
 * @param {string} label
 * @param {string} text
 */
export function copyable(label, text) {
  const shown = el("code", { class: "copied", tabIndex: 0 }, text);
  const button = el("button", { type: "button", "aria-label": `Copy: ${label}`, onclick: () => void copy() }, "Copy");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), SAID_FOR);
    } catch {
      getSelection()?.selectAllChildren(shown); // it was denied, but one can still copy by hand
      shown.focus();
    }
  };
  return el("div", { class: "copyable" }, el("p", {}, label), el("div", { class: "copying" }, shown, button));
}

/**
 * Return a word quoted for bash, zsh and fish.
 *
 * @param {string} word
 */
export function quoted(word) {
  if (/^[\w.@%+:,/-]+$/.test(word)) return word;
  return `'${word.replace(/'/g, `'"'"'`).replace(/\\/g, `'\\\\'`)}'`;
}

/** Return the address of this server for a terminal: a proxy on the usual port is asked for a tunnel. */
export function serverAddress() {
  const { protocol, hostname, port } = location;
  return port === "" ? `${protocol}//${hostname}` : `${hostname}:${port}`;
}
