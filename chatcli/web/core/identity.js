/** Who this browser is: an Ed25519 key that no script can read, and the name that goes with it. */

import { signedBytes, toBase64 } from "./proof.js";

/** @import { Claim } from "./proof.js" */
/** @import { Storage } from "./storage.js" */

/** This browser has no Ed25519, or the page is not in a secure context. */
export class Unsupported extends Error {}

/** The key of this browser. */
export class Identity {
  #private;

  /**
   * @param {CryptoKey} privateKey
   * @param {string} publicKey base64
   */
  constructor(privateKey, publicKey) {
    this.#private = privateKey;
    /** As `hello` has it. */
    this.publicKey = publicKey;
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
  let pair = /** @type {CryptoKeyPair | undefined} */ (await storage.get("identity", "key"));
  if (pair === undefined) {
    pair = await makePair();
    await storage.put("identity", "key", pair);
  }
  return new Identity(pair.privateKey, toBase64(await crypto.subtle.exportKey("raw", pair.publicKey)));
}

async function makePair() {
  if (globalThis.crypto?.subtle === undefined) {
    throw new Unsupported("This page needs https: open it under an address that begins with https://, or localhost.");
  }
  try {
    return /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]));
  } catch {
    throw new Unsupported("This browser is too old: chatcli needs Chrome 137, Firefox 129, Safari 17, or newer.");
  }
}
