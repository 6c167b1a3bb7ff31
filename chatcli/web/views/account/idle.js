/** Telling the server that nobody touches this page, and that somebody does again. */

/** @import { Chat } from "../../core/chat.js" */

const AFTER = 5 * 60_000; // ms; each tab speaks for itself: a person is idle if all of their clients are

/**
 * Watch the keys and the pointer.
 *
 * @param {Chat} chat
 */
export function watchIdle(chat) {
  let idle = false;
  let last = Date.now();
  let timer = setTimeout(check, AFTER);

  function check() {
    const rest = last + AFTER - Date.now();
    if (rest <= 0) {
      idle = true;
      chat.send({ t: "idle" });
    } else {
      timer = setTimeout(check, rest);
    }
  }

  function touched() {
    last = Date.now();
    if (!idle) return;
    idle = false;
    clearTimeout(timer);
    timer = setTimeout(check, AFTER);
    chat.send({ t: "idle", back: true });
  }

  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"])
    window.addEventListener(kind, touched, { passive: true, capture: true });
  // It ends with the connection.
  chat.on("phase", (phase) => phase === "ready" && idle && chat.send({ t: "idle" }));
}
