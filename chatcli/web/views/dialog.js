/** Windows over the page: modal, closed by Escape, by a button, or by a click beside them. */

import { el } from "./dom.js";

/** @import { Child } from "./dom.js" */

/**
 * Open a dialog; the focus returns to where it was when it closes.
 *
 * @param {string} title
 * @param {Child[]} children
 * @param {{onClose?: () => void, wide?: boolean}} [options]
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, children, { onClose = () => {}, wide = false } = {}) {
  const before = document.activeElement;
  const close = () => dialog.close();
  const dialog = el(
    "dialog",
    { class: wide ? "dialog wide" : "dialog", "aria-label": title },
    el(
      "header",
      {},
      el("h2", {}, title),
      el("button", { type: "button", class: "plain", "aria-label": "Close", onclick: close }, "✕"),
    ),
    ...children,
  );
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
