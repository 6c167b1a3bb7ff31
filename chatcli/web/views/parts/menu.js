/** A menu beside a button: chosen by pointer, arrow keys or first letters, closed by Escape or by a click elsewhere. */

import { el } from "./dom.js";

/** @typedef {{label: string, run: () => void}} Item */

/**
 * Open a menu beside a button; the focus returns to where it was.
 *
 * @param {HTMLElement} button
 * @param {Item[]} items
 * @param {string} [about] a sentence above the items
 */
export function openMenu(button, items, about = "") {
  const before = document.activeElement;
  const back = before instanceof HTMLElement && before !== document.body ? before : button;
  const menu = el("div", { class: "menu", role: "menu", "aria-label": "Message" }, about && el("p", {}, about));
  menu.popover = "auto";
  const close = () => menu.hidePopover();
  menu.append(
    ...items.map(({ label, run }) =>
      el(
        "button",
        {
          type: "button",
          role: "menuitem",
          tabIndex: -1,
          onclick: () => {
            close();
            run();
          },
        },
        label,
      ),
    ),
  );
  menu.addEventListener("keydown", (event) => moved(event, menu, close));
  menu.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== "closed") return;
    const within = document.activeElement === document.body || menu.contains(document.activeElement);
    menu.remove();
    if (within && back.isConnected) back.focus({ preventScroll: true });
  });
  (button.closest("main") ?? document.body).append(menu);
  menu.showPopover();
  place(menu, button.getBoundingClientRect());
  menu.querySelector("button")?.focus();
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLElement} menu
 * @param {() => void} close
 */
function moved(event, menu, close) {
  const items = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("[role=menuitem]")]);
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const letter = event.key.length === 1 ? event.key.toLowerCase() : "";
  const found = items.find((item) => letter && item.textContent?.toLowerCase().startsWith(letter));
  if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
  else if (event.key === "ArrowUp") items.at(at - 1)?.focus();
  else if (event.key === "Home") items[0]?.focus();
  else if (event.key === "End") items.at(-1)?.focus();
  else if (event.key === "Tab") close();
  else if (found && letter !== " ") found.focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Put a menu beside a button, within the window.
 *
 * @param {HTMLElement} menu
 * @param {DOMRect} beside
 */
function place(menu, beside) {
  const { width, height } = menu.getBoundingClientRect();
  const below = beside.bottom + height + 8 < innerHeight;
  menu.style.left = `${Math.max(4, Math.min(beside.right - width, innerWidth - width - 4))}px`;
  menu.style.top = `${Math.max(4, below ? beside.bottom + 2 : beside.top - height - 2)}px`;
}
