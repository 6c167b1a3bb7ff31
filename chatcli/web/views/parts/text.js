/** Other people's text as nodes: links, code, and characters that would deceive made visible. All in linear time. */

import { mentionSource } from "../../core/mentions.js";
import { el } from "./dom.js";

const ORDINARY = /^[\x20-\x7e]*$/;
const NEWLINES = /\r\n|[\r\u2028\u2029]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ud800-\udfff]/gu;
/** Overrides and isolates let a line lie about the order of its characters (Unicode TR36, section 3.7). */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;

const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"'\x60\u0000-\u001f]+/giu;
const SCHEMES = new Set(["http:", "https:", "mailto:"]);
const LONGEST_LINK = 2048;
/** Punctuation that ends the sentence around a link, and is not part of it. */
const CLOSING = ".,:;!?";
const PAIRS = new Map([
  [")", "("],
  ["]", "["],
]);
/** Letters of other scripts, some of which look like Latin ones. */
const FOREIGN = /[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u;

const FENCE = "```";
const LANGUAGE = /^[\w+-]{0,30}$/;

/**
 * Return a text with its control characters made visible, as the terminal shows them.
 *
 * @param {string} text
 */
export function printable(text) {
  if (ORDINARY.test(text)) return text;
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
  return codeParts(printable(text)).flatMap(({ kind, text: part }) => {
    if (kind === "block") return [el("pre", {}, el("code", {}, part))];
    if (kind === "inline") return [el("code", {}, part)];
    return linked(part, me);
  });
}

/**
 * Return a text in parts: plain, inline code between backticks on one line, and blocks between fences.
 *
 * @param {string} text
 */
function codeParts(text) {
  /** @type {{kind: "plain" | "inline" | "block", text: string}[]} */
  const parts = [];
  let plain = 0; // where the plain text begins that is not among the parts
  let at = text.indexOf("`");
  while (at !== -1) {
    const code = text.startsWith(FENCE, at) ? blockAt(text, at) : inlineAt(text, at);
    if (code !== null) {
      if (at > plain) parts.push({ kind: "plain", text: text.slice(plain, at) });
      parts.push(code);
      at = plain = code.end;
    } else if (text.startsWith(FENCE, at)) {
      break; // No fence is behind, so that none is looked for again.
    } else {
      while (text[at] === "`") at += 1;
    }
    at = text.indexOf("`", at);
  }
  if (plain < text.length) parts.push({ kind: "plain", text: text.slice(plain) });
  return parts;
}

/**
 * Return the block whose fence is at a place, or null.
 *
 * @param {string} text
 * @param {number} at
 */
function blockAt(text, at) {
  const close = text.indexOf(FENCE, at + FENCE.length);
  if (close === -1) return null;
  const end = close + FENCE.length;
  const inner = blockText(text.slice(at + FENCE.length, close));
  return { kind: /** @type {const} */ ("block"), text: inner, end: text[end] === "\n" ? end + 1 : end };
}

/**
 * Return the code on one line that begins at a place, or null.
 *
 * Only the last backtick of a line can be in vain, so that no line is looked at often.
 *
 * @param {string} text
 * @param {number} at
 */
function inlineAt(text, at) {
  for (let end = at + 1; end < text.length && text[end] !== "\n"; end += 1) {
    if (text[end] !== "`") continue;
    if (end === at + 1) return null;
    return { kind: /** @type {const} */ ("inline"), text: text.slice(at + 1, end), end: end + 1 };
  }
  return null;
}

/**
 * Return the text of a block: without the name of a language behind the fence, and the line ends beside the fences.
 *
 * @param {string} inner
 */
function blockText(inner) {
  const line = inner.indexOf("\n");
  const begun = line !== -1 && LANGUAGE.test(inner.slice(0, line).trim()) ? inner.slice(line + 1) : inner;
  return begun.endsWith("\n") ? begun.slice(0, -1) : begun;
}

/**
 * Return a text with its links as nodes.
 *
 * @param {string} text
 * @param {string} me
 * @returns {Node[]}
 */
function linked(text, me) {
  if (!text.includes(":")) return mentioned(text, me);
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(LINK)) {
    const url = trimmed(found[0]);
    nodes.push(...mentioned(text.slice(at, found.index), me), ...link(url));
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
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const sign of url) if ("()[]".includes(sign)) counts.set(sign, (counts.get(sign) ?? 0) + 1);
  let end = url.length;
  for (; end > 0; end -= 1) {
    const sign = url[end - 1] ?? "";
    const opening = PAIRS.get(sign);
    if (opening === undefined && !CLOSING.includes(sign)) break;
    if (opening === undefined) continue;
    const closed = counts.get(sign) ?? 0;
    if (closed <= (counts.get(opening) ?? 0)) break;
    counts.set(sign, closed - 1);
  }
  return url.slice(0, end);
}

/**
 * Return a link and, where its text does not say plainly where it leads, the host behind it.
 *
 * @param {string} text
 * @returns {Node[]}
 */
function link(text) {
  const url = text.length <= LONGEST_LINK ? parsed(text) : null;
  if (url === null || !SCHEMES.has(url.protocol)) return [document.createTextNode(text)];
  const title = url.href === text || url.href === `${text}/` ? undefined : url.href;
  const node = el("a", { href: url.href, rel: "noopener noreferrer", target: "_blank", dir: "ltr", title }, text);
  node.tabIndex = -1; // a stop at each link of a timeline would be too many: see active.js
  const deceptive = url.username !== "" || (url.host.includes("xn--") && FOREIGN.test(text.split(/[?#]/)[0] ?? ""));
  return deceptive ? [node, el("span", { class: "faint" }, ` (${url.host})`)] : [node];
}

/** @param {string} text */
function parsed(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

let marking = { me: "", pattern: /$^/ };

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
  if (marking.me !== me) {
    marking = { me, pattern: new RegExp(mentionSource(me), "giu") };
  }
  const parts = text.split(marking.pattern);
  return parts
    .map((part, index) => (index % 2 ? el("mark", {}, part) : document.createTextNode(part)))
    .filter((node) => node.textContent !== "");
}
