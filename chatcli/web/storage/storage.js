/** What this browser keeps: in IndexedDB, or in memory where that is denied. */

const DATABASE = "chatcli";
const VERSION = 1;
const PATIENCE = 3000; // ms; some browsers never say that they do not open it
/** Each with keys given from outside, but for the outbox, whose entries carry their own. */
const STORES = /** @type {const} */ (["identity", "outbox", "drafts", "settings"]);

/** @typedef {(typeof STORES)[number]} Store */

/**
 * Values by store and key.
 *
 * Writing never fails for the caller: what cannot be kept on disk stays in memory, and `durable` turns false.
 */
export class Storage {
  /** @type {IDBDatabase | null} */
  #database;
  /** @type {Map<string, Map<string, any>>} */
  #memory = new Map(STORES.map((store) => [store, new Map()]));

  /** @param {IDBDatabase | null} database */
  constructor(database) {
    this.#database = database;
    /** Whether what is written survives a reload, as far as is known. */
    this.durable = database !== null;
    /** Called when `durable` turns false. */
    this.onLoss = () => {};
  }

  /**
   * Return a value, or undefined.
   *
   * @param {Store} store
   * @param {string} key
   * @returns {Promise<any>}
   */
  async get(store, key) {
    const kept = this.#table(store).get(key);
    if (kept !== undefined || this.#database === null) return kept;
    return this.#run(store, "readonly", (table) => table.get(key));
  }

  /**
   * Return all values of a store, in the order of their keys.
   *
   * @param {Store} store
   * @returns {Promise<any[]>}
   */
  async all(store) {
    const kept = new Map(this.#table(store));
    if (this.#database !== null) {
      // In one transaction: between two of them another tab may add something.
      const [keys, values] = (await this.#run(store, "readonly", both)) ?? [[], []];
      keys.forEach((/** @type {string} */ key, /** @type {number} */ at) => kept.set(key, kept.get(key) ?? values[at]));
    }
    return [...kept].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
  }

  /**
   * Return all keys of a store.
   *
   * @param {Store} store
   * @returns {Promise<string[]>}
   */
  async keys(store) {
    const kept = this.#database === null ? [] : await this.#run(store, "readonly", (table) => table.getAllKeys());
    return [...new Set([...this.#table(store).keys(), ...(kept ?? [])])];
  }

  /**
   * Keep a value.
   *
   * @param {Store} store
   * @param {string} key
   * @param {any} value anything that can be cloned, keys included
   */
  async put(store, key, value) {
    const done =
      this.#database !== null &&
      (await this.#run(store, "readwrite", (table) => committed(table, table.put(value, key))));
    if (done === undefined || done === false) this.#table(store).set(key, value);
    else this.#table(store).delete(key);
  }

  /**
   * Return the value of a key, which becomes the given one if there is none: the same in all tabs, whoever is first.
   *
   * @param {Store} store
   * @param {string} key
   * @param {any} value
   * @returns {Promise<any>}
   */
  async getOrPut(store, key, value) {
    const kept = this.#table(store).get(key);
    if (kept !== undefined) return kept;
    const found =
      this.#database !== null &&
      (await this.#run(store, "readwrite", (table) => {
        const asked = table.get(key);
        asked.onsuccess = () => {
          try {
            if (asked.result === undefined) table.put(value, key);
          } catch {
            table.transaction.abort();
          }
        };
        return {
          get result() {
            return asked.result ?? value;
          },
        };
      }));
    if (found) return found;
    this.#table(store).set(key, value);
    return value;
  }

  /** Forget everything; other pages of this origin lose it, too. */
  async forget() {
    for (const store of STORES) {
      this.#table(store).clear();
      if (this.#database !== null) await this.#run(store, "readwrite", (table) => table.clear());
    }
  }

  /**
   * Forget a value.
   *
   * @param {Store} store
   * @param {string} key
   */
  async delete(store, key) {
    this.#table(store).delete(key);
    if (this.#database !== null) await this.#run(store, "readwrite", (table) => committed(table, table.delete(key)));
  }

  /** @param {Store} store */
  #table(store) {
    return /** @type {Map<string, any>} */ (this.#memory.get(store));
  }

  /**
   * Run one request in a transaction of its own; resolve with undefined if it fails.
   *
   * @param {Store} store
   * @param {IDBTransactionMode} mode
   * @param {(table: IDBObjectStore) => {result: any}} ask
   * @returns {Promise<any>}
   */
  #run(store, mode, ask) {
    return new Promise((resolve) => {
      try {
        const transaction = /** @type {IDBDatabase} */ (this.#database).transaction(store, mode);
        const request = ask(transaction.objectStore(store));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = () => resolve(this.#lose(mode));
      } catch {
        resolve(this.#lose(mode)); // the database was closed, as when the site's data are cleared
      }
    });
  }

  /** @param {IDBTransactionMode} mode */
  #lose(mode) {
    if (mode === "readwrite" && this.durable) {
      this.durable = false;
      this.onLoss();
    }
    return undefined;
  }
}

/**
 * Commit at once: a page that is left in the next moment, as by F5, has kept what it was given.
 *
 * @param {IDBObjectStore} table
 * @param {IDBRequest} request
 */
function committed(table, request) {
  table.transaction.commit();
  return request;
}

/**
 * Return the keys and the values of a store.
 *
 * @param {IDBObjectStore} table
 */
function both(table) {
  const [keys, values] = [table.getAllKeys(), table.getAll()];
  return {
    get result() {
      return [keys.result, values.result];
    },
  };
}

/** Return the storage of this origin: one in memory if there is no other, or if it does not open. */
export async function openStorage() {
  const patience = new Promise((/** @type {(none: null) => void} */ resolve) => setTimeout(resolve, PATIENCE, null));
  return new Storage(await Promise.race([open(VERSION), patience]));
}

/**
 * @param {number | undefined} version the one that is there, if undefined
 * @returns {Promise<IDBDatabase | null>}
 */
function open(version) {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(DATABASE, version);
      request.onupgradeneeded = () => STORES.forEach((store) => request.result.createObjectStore(store));
      request.onsuccess = () => {
        const database = request.result;
        database.onversionchange = () => database.close(); // a page of a newer version must not wait for this one
        resolve(STORES.every((store) => database.objectStoreNames.contains(store)) ? database : null);
      };
      request.onerror = () => resolve(request.error?.name === "VersionError" && version ? open(undefined) : null);
    } catch {
      resolve(null); // denied altogether
    }
  });
}
