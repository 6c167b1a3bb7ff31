/** Making nodes. Text is text: nothing here, or anywhere in the page, reads markup. */

/** @typedef {Node | string | null | undefined | false} Child */

const WITHOUT_FRAMES = 200; // ms
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
 * Return a function that calls another at most once a frame of the screen; some times a second while the page is hidden.
 *
 * @param {() => void} draw
 */
export function eachFrame(draw) {
  let frame = 0;
  let timer = 0;
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = timer = 0;
    draw();
  };
  return () => {
    if (timer) return;
    frame = requestAnimationFrame(run);
    // No frames come while the page is hidden, not even one that was asked for just before; but titles and counts are
    // to be right.
    timer = setTimeout(run, WITHOUT_FRAMES);
  };
}

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
