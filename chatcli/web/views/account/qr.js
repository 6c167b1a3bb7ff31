/** QR codes (ISO/IEC 18004) of texts of up to 271 bytes: versions 1 to 10, correction level L, mask 0. */

const SVG = "http://www.w3.org/2000/svg";
const QUIET = 4; // modules around the code

/** By version, from 1 on: codewords in all, and for correction; blocks; centres of the alignment patterns. */
const TOTAL = [26, 44, 70, 100, 134, 172, 196, 242, 292, 346];
const CORRECTION = [7, 10, 15, 20, 26, 18, 20, 24, 30, 18];
const BLOCKS = [1, 1, 1, 1, 1, 2, 2, 2, 2, 4];
const CENTRES = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

/**
 * Return a picture of the code of a text.
 *
 * @param {string} text
 * @param {string} label
 */
export function drawQr(text, label) {
  const modules = encode(text);
  const width = modules.length + 2 * QUIET;
  let path = "";
  modules.forEach((row, y) => row.forEach((dark, x) => dark && (path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`)));
  const svg = node("svg", { viewBox: `0 0 ${width} ${width}`, class: "qr", role: "img", "aria-label": label });
  svg.append(node("path", { d: `M0 0h${width}v${width}h-${width}z`, fill: "#fff" }), node("path", { d: path }));
  return svg;
}

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 */
function node(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/**
 * Return the rows of the code: true is dark.
 *
 * @param {string} text
 * @returns {boolean[][]}
 */
export function encode(text) {
  const bytes = new TextEncoder().encode(text);
  const version = TOTAL.findIndex((_, at) => bytes.length + (at < 9 ? 2 : 3) <= capacity(at + 1)) + 1;
  if (version === 0) throw new RangeError("too long for a QR code");
  const size = 17 + 4 * version;
  /** @type {(boolean | undefined)[][]} */
  const rows = Array.from({ length: size }, () => new Array(size).fill(undefined));
  drawPatterns(rows, version);
  drawData(rows, interleaved(codewords(bytes, version), version));
  return rows.map((row) => row.map(Boolean));
}

/** @param {number} version */
function capacity(version) {
  return at(TOTAL, version) - at(CORRECTION, version) * at(BLOCKS, version);
}

/**
 * @template Value
 * @param {Value[]} table
 * @param {number} version
 */
function at(table, version) {
  return /** @type {Value} */ (table[version - 1]);
}

/**
 * Return the data: mode, length, bytes, padding.
 *
 * @param {Uint8Array} bytes
 * @param {number} version
 */
function codewords(bytes, version) {
  const length = bytes.length.toString(2).padStart(version < 10 ? 8 : 16, "0");
  const bits = `0100${length}${[...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("")}0000`;
  const words = (bits.padEnd(Math.ceil(bits.length / 8) * 8, "0").match(/.{8}/g) ?? []).map((word) =>
    parseInt(word, 2),
  );
  const all = capacity(version);
  for (let pad = 0xec; words.length < all; pad ^= 0xec ^ 0x11) words.push(pad);
  return words.slice(0, all);
}

/**
 * Return data and correction as they are drawn: one codeword of each block in turn.
 *
 * @param {number[]} data
 * @param {number} version
 */
function interleaved(data, version) {
  const count = at(BLOCKS, version);
  const short = Math.floor(data.length / count);
  const long = data.length % count; // blocks with one more, the last ones
  const divisor = generator(at(CORRECTION, version));
  const blocks = [];
  for (let block = 0, from = 0; block < count; block++) {
    const to = from + short + (block >= count - long ? 1 : 0);
    blocks.push(data.slice(from, to));
    from = to;
  }
  const words = [];
  for (let place = 0; place <= short; place++)
    for (const block of blocks) if (place < block.length) words.push(/** @type {number} */ (block[place]));
  const checks = blocks.map((block) => remainder(block, divisor));
  for (let place = 0; place < divisor.length; place++)
    for (const check of checks) words.push(/** @type {number} */ (check[place]));
  return words;
}

/**
 * Multiply in GF(2^8) modulo 0x11d.
 *
 * @param {number} a
 * @param {number} b
 */
function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> bit) & 1) * a;
  }
  return product;
}

/**
 * Return the Reed-Solomon generator polynomial of a degree, without its leading 1.
 *
 * @param {number} degree
 */
function generator(degree) {
  const result = new Array(degree).fill(0);
  result[degree - 1] = 1;
  for (let step = 0, root = 1; step < degree; step++, root = times(root, 2))
    for (let place = 0; place < degree; place++)
      result[place] = times(result[place], root) ^ (place + 1 < degree ? result[place + 1] : 0);
  return result;
}

/**
 * @param {number[]} data
 * @param {number[]} divisor
 */
function remainder(data, divisor) {
  const result = new Array(divisor.length).fill(0);
  for (const word of data) {
    const factor = word ^ result.shift();
    result.push(0);
    divisor.forEach((coefficient, place) => (result[place] ^= times(coefficient, factor)));
  }
  return result;
}

/**
 * @param {(boolean | undefined)[][]} rows
 * @param {number} version
 */
function drawPatterns(rows, version) {
  const size = rows.length;
  for (let place = 0; place < size; place++)
    (put(rows, 6, place, place % 2 === 0), put(rows, place, 6, place % 2 === 0));
  for (const [x, y] of /** @type {const} */ ([
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ]))
    square(rows, x, y, 4, [2, 4]);
  const centres = at(CENTRES, version);
  const last = centres.at(-1) ?? 0;
  for (const x of centres)
    for (const y of centres) {
      const corner = (x === 6 && (y === 6 || y === last)) || (x === last && y === 6);
      if (!corner) square(rows, x, y, 2, [1]);
    }
  drawFormat(rows);
  if (version >= 7) drawVersion(rows, version);
}

/**
 * Draw a square of rings, of which some are light.
 *
 * @param {(boolean | undefined)[][]} rows
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 * @param {number[]} light
 */
function square(rows, x, y, radius, light) {
  for (let dx = -radius; dx <= radius; dx++)
    for (let dy = -radius; dy <= radius; dy++)
      put(rows, x + dx, y + dy, !light.includes(Math.max(Math.abs(dx), Math.abs(dy))));
}

/** @param {(boolean | undefined)[][]} rows */
function drawFormat(rows) {
  const size = rows.length;
  const format = 0b01000; // level L, mask 0
  const bits = ((format << 10) | division(format, 10, 0x537)) ^ 0x5412;
  for (let bit = 0; bit < 15; bit++) {
    const dark = ((bits >> bit) & 1) === 1;
    if (bit < 6) put(rows, 8, bit, dark);
    else if (bit < 8) put(rows, 8, bit + 1, dark);
    else if (bit === 8) put(rows, 7, 8, dark);
    else put(rows, 14 - bit, 8, dark);
    if (bit < 8) put(rows, size - 1 - bit, 8, dark);
    else put(rows, 8, size - 15 + bit, dark);
  }
  put(rows, 8, size - 8, true);
}

/**
 * @param {(boolean | undefined)[][]} rows
 * @param {number} version
 */
function drawVersion(rows, version) {
  const bits = (version << 12) | division(version, 12, 0x1f25);
  for (let bit = 0; bit < 18; bit++) {
    const dark = ((bits >> bit) & 1) === 1;
    const near = Math.floor(bit / 3);
    const far = rows.length - 11 + (bit % 3);
    put(rows, near, far, dark);
    put(rows, far, near, dark);
  }
}

/**
 * Return the remainder of a polynomial over GF(2), for a BCH code.
 *
 * @param {number} value
 * @param {number} degree
 * @param {number} divisor
 */
function division(value, degree, divisor) {
  let rest = value;
  for (let step = 0; step < degree; step++) rest = (rest << 1) ^ ((rest >> (degree - 1)) * divisor);
  return rest;
}

/**
 * Draw the codewords in pairs of columns, from the right, up and down, under mask 0.
 *
 * @param {(boolean | undefined)[][]} rows
 * @param {number[]} words
 */
function drawData(rows, words) {
  const size = rows.length;
  let bit = 0;
  let up = true;
  for (let right = size - 1; right > 0; right -= right === 8 ? 3 : 2, up = !up) {
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (rows[y]?.[x] !== undefined) continue;
        const dark = (((words[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
        bit += 1;
        put(rows, x, y, dark !== ((x + y) % 2 === 0));
      }
    }
  }
}

/**
 * @param {(boolean | undefined)[][]} rows
 * @param {number} x
 * @param {number} y
 * @param {boolean} dark
 */
function put(rows, x, y, dark) {
  const row = rows[y];
  if (row !== undefined && x >= 0 && x < row.length) row[x] = dark;
}
