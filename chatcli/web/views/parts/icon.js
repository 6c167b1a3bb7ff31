/** Icons of buttons, drawn as lines in the colour of the text. */

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  back: "M12.5 4.5 7 10l5.5 5.5",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4Zm3.7 8.7L17 17",
  people:
    "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2 16.5c0-3 2.4-4.8 5.5-4.8s5.5 1.8 5.5 4.8M13.5 4a2.8 2.8 0 0 1 0 5.2M15 12.2c1.9.6 3 2.1 3 4.3",
  about: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm0 6v4.5M10 6.3v.4",
  close: "M5 5l10 10M15 5 5 15",
};

/**
 * Return an icon, which says nothing to assistive technology.
 *
 * @param {keyof typeof PATHS} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 20 20", class: "icon", "aria-hidden": "true" }))
    svg.setAttribute(key, value);
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
