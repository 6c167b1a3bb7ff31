/** What a person prefers. */

import { openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Shell } from "../shell.js" */

const THEMES = { system: "As the system", light: "Light", dark: "Dark" };

/**
 * Open the preferences. Each takes effect at once.
 *
 * @param {Chat} chat
 * @param {Shell} shell
 */
export async function openSettings(chat, shell) {
  const { preferences, storage } = shell;
  const receipts = (await storage.get("settings", "receipts")) ?? true;
  const { theme, words, letters } = preferences.values;
  const select = el(
    "select",
    { id: "theme", onchange: () => void preferences.set({ theme: /** @type {any} */ (select.value) }) },
    ...Object.entries(THEMES).map(([value, name]) => el("option", { value, selected: value === theme }, name)),
  );
  openDialog("Preferences", [
    el("h3", {}, "Notifications"),
    desktop(shell),
    box("Show the text of messages in notifications", words, (value) => preferences.set({ words: value })),
    el("h3", {}, "Looks"),
    el("p", {}, el("label", { for: "theme" }, "Colours"), select),
    el("h3", {}, "What others see"),
    box("Let others see what I have read", receipts, async (value) => {
      await chat.setReceipts(value);
    }),
    el("h3", {}, "Keys"),
    box("/ searches and ? shows all keys, outside of fields", letters, (value) => preferences.set({ letters: value })),
  ]);
}

/**
 * Return a box to tick.
 *
 * @param {string} words
 * @param {boolean} checked
 * @param {(value: boolean) => Promise<void>} change
 */
function box(words, checked, change) {
  const input = el("input", { type: "checkbox", checked, onchange: () => void change(input.checked) });
  return el("p", {}, el("label", { class: "box" }, input, words));
}

/**
 * Return the controls that turn notifications on and off. The browser is asked by a press of the button only.
 *
 * @param {Shell} shell
 */
function desktop({ preferences }) {
  const root = el("div", {});
  let refused = false; // some browsers refuse, and still say that they would ask
  const draw = () => {
    const permission = "Notification" in globalThis ? Notification.permission : "missing";
    const on = preferences.values.desktop && permission === "granted";
    const denied =
      "This browser does not let this page show notifications. Its settings for this site can change that.";
    const words = {
      missing: "This browser shows no notifications.",
      denied,
      granted: on ? "Notifications are on." : "Notifications are off.",
      default: refused ? denied : "The browser will ask you whether this page may show notifications.",
    }[permission];
    const turn = async () => {
      const answer = on ? permission : await Notification.requestPermission();
      refused = answer !== "granted";
      await preferences.set({ desktop: !on && answer === "granted" });
      draw();
      root.querySelector("button")?.focus();
    };
    root.replaceChildren(
      el(
        "p",
        { class: "faint" },
        "This device can tell you of direct messages, mentions and questions while you look elsewhere.",
      ),
      el("p", { role: "status" }, words),
      permission === "granted" || permission === "default"
        ? el("p", {}, el("button", { type: "button", onclick: () => void turn() }, on ? "Turn off" : "Turn on"))
        : "",
    );
  };
  draw();
  return root;
}
