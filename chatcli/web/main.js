/** Where the page begins: the key, the connection, the entrance, the chat. */

import { Chat } from "./core/chat.js";
import { Connection } from "./core/connection.js";
import { loadIdentity, Unsupported } from "./core/identity.js";
import { openStorage } from "./core/storage.js";
import { el } from "./views/dom.js";
import { Entrance } from "./views/entrance.js";
import { Shell } from "./views/shell.js";

/** Return how this browser is called in a list of keys. */
function deviceName() {
  const { userAgent } = navigator;
  const browser = ["Edg", "Firefox", "Chrome", "Safari"].find((name) => userAgent.includes(name)) ?? "Browser";
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"].find((name) => userAgent.includes(name));
  return system === undefined ? browser : `${browser.replace("Edg", "Edge")} on ${system}`;
}

/** Read what stands behind the # of the address, and remove it: it may be a secret. */
function readFragment() {
  const fields = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return fields;
}

async function begin() {
  const fields = readFragment();
  const storage = await openStorage();
  const identity = await loadIdentity(storage);
  /** @type {Connection} */
  const connection = new Connection({
    url: `${location.origin.replace(/^http/, "ws")}/-/ws`,
    origin: location.origin,
    identity,
    makeHello: () => chat.hello(),
  });
  /** @type {Chat} */
  const chat = new Chat(connection, storage, deviceName());
  const entrance = new Entrance(chat, fields);
  const shell = new Shell(chat, storage);
  const app = /** @type {HTMLElement} */ (document.getElementById("app"));
  chat.on("phase", (phase) => {
    if (phase === "ready" && !shell.root.isConnected) {
      app.replaceChildren(shell.root);
      void shell.start();
    } else if (phase === "refused" && !entrance.root.isConnected) {
      app.replaceChildren(entrance.root);
    }
  });
  for (const event of ["online", "focus", "pageshow"]) window.addEventListener(event, () => chat.wake());
  document.addEventListener("visibilitychange", () => document.hidden || chat.wake());
  window.addEventListener("pagehide", () => chat.leave());
  const user = await storage.get("settings", "user");
  if (typeof user === "string" && fields["link"] === undefined) {
    await chat.login(user);
  } else {
    app.replaceChildren(entrance.root);
    entrance.focus();
  }
}

begin().catch((error) => {
  const text = error instanceof Unsupported ? error.message : "Something in this page went wrong. Load it again.";
  document.getElementById("app")?.replaceChildren(el("p", { class: "problem", role: "alert" }, text));
  if (!(error instanceof Unsupported)) console.error(error);
});
