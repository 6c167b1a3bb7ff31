/** Events of one object, for those who have asked for them. */

/**
 * A source of events.
 *
 * @template {Record<string, any>} Events the type of the detail of each event, by its name
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(detail: any) => void>>} */
  #listeners = new Map();

  /**
   * Call a function at each event of a kind.
   *
   * @template {keyof Events} Kind
   * @param {Kind} kind
   * @param {(detail: Events[Kind]) => void} listener
   * @returns {() => void} ends it
   */
  on(kind, listener) {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Pass an event on. A listener that fails does not keep it from the others.
   *
   * @template {keyof Events} Kind
   * @param {Kind} kind
   * @param {Events[Kind]} detail
   */
  emit(kind, detail) {
    for (const listener of this.#listeners.get(kind) ?? []) {
      try {
        listener(detail);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
