/** Making nodes. Text is text: nothing here, or anywhere in the page, reads markup. */

/** @typedef {Node | string | null | undefined | false} Child */

const ATTRIBUTES = new Set(["class", "role", "for"]);

/**
 * Return a new element.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties] of the element: `class`, `aria-…`, `data-…` and `role` are attributes,
 *   functions under `on…` are listeners, everything else is a property
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (ATTRIBUTES.has(name) || name.includes("-")) element.setAttribute(name, value === true ? "true" : value);
    else /** @type {any} */ (element)[name] = value;
  }
  for (const child of children) if (child || child === "") element.append(child);
  return element;
}

/**
 * Return a function that calls another at most once a frame of the screen, and not while the page is hidden for long.
 *
 * @param {() => void} draw
 */
export function eachFrame(draw) {
  let planned = false;
  return () => {
    if (planned) return;
    planned = true;
    const run = () => {
      if (!planned) return;
      planned = false;
      draw();
    };
    if (document.hidden)
      setTimeout(run, 200); // no frames come then, but titles and counts are to be right
    else requestAnimationFrame(run);
  };
}

const people = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Return the number, from 0 to 11, of the colour of a name: the same everywhere.
 *
 * @param {string} name
 */
export function hue(name) {
  let sum = 0;
  for (const character of name.toLowerCase()) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973;
  return sum % 12;
}

/**
 * Return the first character of a name, as people see characters.
 *
 * @param {string} name
 */
export function initial(name) {
  for (const { segment } of people.segment(name.replace(/^#/, ""))) return segment.toUpperCase();
  return "";
}
