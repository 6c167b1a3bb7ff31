/** The proof of a key, as docs/protocol.md describes it: what is signed, and keys as text. */

const CONTEXT = "chatcli proof of key, version 1";

/**
 * What a client signs.
 *
 * @typedef {object} Claim
 * @property {string} serverKey fingerprint, as in the challenge
 * @property {string} nonce base64
 * @property {string} user as in `hello`
 * @property {string} purpose
 * @property {string} origin of this page
 */

/**
 * Return the bytes to sign: each part after its length, so that no two claims read alike.
 *
 * @param {Claim} claim
 */
export function signedBytes(claim) {
  const encoder = new TextEncoder();
  const parts = [
    encoder.encode(CONTEXT),
    encoder.encode("1"),
    encoder.encode(claim.serverKey),
    fromBase64(claim.nonce),
    encoder.encode(claim.user),
    encoder.encode(claim.purpose),
    encoder.encode(`origin ${claim.origin}`),
  ];
  const bytes = new Uint8Array(parts.reduce((size, part) => size + 4 + part.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

/**
 * Return bytes as base64 without padding.
 *
 * @param {ArrayBuffer | Uint8Array} bytes
 */
export function toBase64(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/=+$/, "");
}

/**
 * Return the bytes of base64 without padding.
 *
 * @param {string} text
 */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
