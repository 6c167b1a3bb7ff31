/** Who this browser is: an Ed25519 key that no script can read, and the name that goes with it. */

import { signedBytes, toBase64 } from "../transport/proof.js";

/** @import { Claim } from "../transport/proof.js" */
/** @import { Storage } from "./storage.js" */

/** This browser has no Ed25519, or the page is not in a secure context. */
export class Unsupported extends Error {}

/** The key of this browser. */
export class Identity {
  #private;

  /**
   * @param {CryptoKey} privateKey
   * @param {string} publicKey base64
   * @param {string} fingerprint
   */
  constructor(privateKey, publicKey, fingerprint) {
    this.#private = privateKey;
    /** As `hello` has it. */
    this.publicKey = publicKey;
    /** As `keys` has it. */
    this.fingerprint = fingerprint;
  }

  /**
   * Return the proof of a claim.
   *
   * @param {Claim} claim
   */
  async sign(claim) {
    return toBase64(await crypto.subtle.sign("Ed25519", this.#private, signedBytes(claim)));
  }
}

/**
 * Return the key of this browser, which is made at the first visit.
 *
 * @param {Storage} storage
 * @returns {Promise<Identity>}
 * @throws {Unsupported}
 */
export async function loadIdentity(storage) {
  if (globalThis.crypto?.subtle === undefined) {
    throw new Unsupported("This page needs https: open it under an address that begins with https://, or localhost.");
  }
  const found = await storage.get("identity", "key");
  // Two tabs may come to this at once: one of them makes the key, and the other one uses it.
  const pair = usable(found) ? found : await storage.getOrPut("identity", "key", await makePair());
  const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
  const structure = await crypto.subtle.exportKey("spki", pair.publicKey);
  const digest = await crypto.subtle.digest("SHA-256", structure);
  return new Identity(pair.privateKey, toBase64(raw), `SHA256:${toBase64(digest)}`);
}

/**
 * Return whether a stored value is a pair of keys. Scripts of this origin alone can write there.
 *
 * @param {any} value
 * @returns {value is CryptoKeyPair}
 */
function usable(value) {
  return value?.privateKey instanceof CryptoKey && value.publicKey instanceof CryptoKey;
}

async function makePair() {
  try {
    return /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]));
  } catch {
    throw new Unsupported("This browser is too old: chatcli needs Chrome 137, Firefox 129, Safari 17, or newer.");
  }
}
