/** Other people's text as nodes: links, code, and characters that would deceive made visible. */

import { el } from "./dom.js";

/** Overrides and isolates let a line lie about the order of its characters (Unicode TR36, section 3.7). */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;
const NEWLINES = /\r\n|[\r\u2028\u2029]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ud800-\udfff]/gu;
const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"'\x60\u0000-\u001f]+/giu;
const CODE = /```[^\S\n]*(?:[\w+-]*\n)?([\s\S]*?)\n?```|`([^\x60\n]+)`/g;

/**
 * Return a text with its control characters made visible, as the terminal shows them.
 *
 * @param {string} text
 */
export function printable(text) {
  return text.replace(NEWLINES, "\n").replace(CONTROLS, picture).replace(REORDERING, picture);
}

/**
 * Return a text as {@link printable} does, on one line.
 *
 * @param {string} text
 */
export function printableLine(text) {
  return printable(text).replace(/\n/g, "␤").replace(/\t/g, " ");
}

/** @param {string} character */
function picture(character) {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "␡" : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/**
 * Return the nodes of a text: plain text, code, and links.
 *
 * @param {string} text
 * @param {string} me whose mentions are marked
 * @returns {Node[]}
 */
export function textNodes(text, me = "") {
  const safe = printable(text);
  const nodes = [];
  let at = 0;
  for (const found of safe.matchAll(CODE)) {
    nodes.push(...linked(safe.slice(at, found.index), me));
    const [whole, block, inline] = found;
    nodes.push(block !== undefined ? el("pre", { tabIndex: 0 }, el("code", {}, block)) : el("code", {}, inline ?? ""));
    at = found.index + whole.length;
    if (block !== undefined && safe[at] === "\n") at += 1;
  }
  nodes.push(...linked(safe.slice(at), me));
  return nodes;
}

/**
 * Return a text with its links as nodes.
 *
 * @param {string} text
 * @param {string} me
 * @returns {Node[]}
 */
function linked(text, me) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(LINK)) {
    const url = trimmed(found[0]);
    nodes.push(...mentioned(text.slice(at, found.index), me), link(url));
    at = found.index + url.length;
  }
  nodes.push(...mentioned(text.slice(at), me));
  return nodes;
}

/**
 * Return a link without the punctuation of the sentence around it.
 *
 * @param {string} url
 */
function trimmed(url) {
  let end = url.replace(/[.,:;!?]+$/, "");
  while (/[)\]]$/.test(end) && !balanced(end)) end = end.slice(0, -1).replace(/[.,:;!?]+$/, "");
  return end;
}

/** @param {string} url */
function balanced(url) {
  const count = (/** @type {string} */ sign) => url.split(sign).length;
  return url.endsWith(")") ? count("(") >= count(")") : count("[") >= count("]");
}

/** @param {string} url */
function link(url) {
  try {
    const { protocol } = new URL(url);
    if (!/^(https?|mailto):$/.test(protocol)) return document.createTextNode(url);
  } catch {
    return document.createTextNode(url);
  }
  return el("a", { href: url, rel: "noopener noreferrer", target: "_blank", dir: "ltr" }, url);
}

/**
 * Return a text with its mentions of me marked.
 *
 * @param {string} text
 * @param {string} me
 * @returns {Node[]}
 */
function mentioned(text, me) {
  if (text === "") return [];
  if (me === "") return [document.createTextNode(text)];
  const name = me.replace(/[.*+?^${}()|[\]\\\-/]/g, "\\$&");
  const parts = text.split(new RegExp(`(?<![\\p{L}\\p{N}_])(@?${name})(?![\\p{L}\\p{N}_])`, "giu"));
  return parts
    .map((part, index) => (index % 2 ? el("mark", {}, part) : document.createTextNode(part)))
    .filter((node) => node.textContent !== "");
}
