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
    // Unless it has gone elsewhere meanwhile, as to what was opened from here.
    const lost = document.activeElement === null || document.activeElement === document.body;
    if (!(before instanceof HTMLElement) || !before.isConnected) return;
    // A field that got the focus back while the dialog still shut it out has it, and hears no keys: it gets it anew.
    if (document.activeElement === before) before.blur();
    if (lost || document.activeElement === document.body) before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Ask before something is done that cannot be undone; resolve with whether it is to be done.
 *
 * @param {string} question
 * @param {string} about what will be so then
 * @param {string} verb
 * @returns {Promise<boolean>}
 */
export function confirmed(question, about, verb) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = () => {
      answer = true;
      dialog.close();
    };
    const no = el("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const dialog = openDialog(
      question,
      [el("p", {}, about), el("p", { class: "choices" }, el("button", { type: "submit", onclick: yes }, verb), no)],
      { onClose: () => resolve(answer) },
    );
    no.focus();
  });
}

/**
 * Return a button of a dialog that closes it and leads on to something else.
 *
 * @param {() => HTMLDialogElement} dialog
 * @param {string} words
 * @param {() => unknown} run
 */
export function leadingOn(dialog, words, run) {
  const press = () => {
    dialog().close();
    void run();
  };
  return el("button", { type: "button", onclick: press }, words);
}
