/** Help: all keys of the page. */

import { openDialog } from "../parts/dialog.js";
import { el } from "../parts/dom.js";
import { KEYS } from "./keys.js";

/** Open the help. */
export function openHelp() {
  const rows = KEYS.map(([key, words]) =>
    el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, words)),
  );
  openDialog(
    "Keys",
    [
      el(
        "table",
        { class: "keys" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Key"), el("th", { scope: "col" }, "What it does"))),
        el("tbody", {}, ...rows),
      ),
      el("p", { class: "faint" }, "On a Mac, Cmd K and Option do what Ctrl K and Alt do."),
    ],
    { wide: true },
  );
}
