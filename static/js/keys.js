/* Single keys for the operators' pages. Links and buttons name theirs in aria-keyshortcuts; rows of a list have these. */
"use strict";

(() => {
  const OFF = "epicops-keys-off"; // WCAG 2.1.4: they can be turned off
  const ROWS = { j: "next row", k: "previous row", x: "select the row", Enter: "open the row" };
  const SEARCH = "search-text";

  const rows = () => [...document.querySelectorAll("#result_list tbody tr")];
  const isOff = () => localStorage.getItem(OFF) !== null;

  function move(step) {
    const all = rows();
    const now = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.max(0, Math.min(all.length - 1, now < 0 ? 0 : now + step))];
    next?.querySelector("th a, td a")?.focus();
  }

  function press(key) {
    if (key === "?") return help();
    if (isOff()) return false;
    if (key === "j" || key === "k") return move(key === "j" ? 1 : -1);
    if (key === "x") return document.activeElement.closest("#result_list tr")?.querySelector(".action-select")?.click();
    if (key === "/") return document.getElementById(SEARCH)?.focus();
    const target = document.querySelector(`[aria-keyshortcuts="${CSS.escape(key)}"]`);
    return target ? target.click() : false;
  }

  function help() {
    const dialog = document.getElementById("keys");
    const named = [...document.querySelectorAll("[aria-keyshortcuts]")].map((each) => [
      each.getAttribute("aria-keyshortcuts"),
      each.textContent.trim(),
    ]);
    const search = document.getElementById(SEARCH) ? [["/", "search"]] : [];
    const list = rows().length ? Object.entries(ROWS) : [];
    dialog.querySelector("dl").replaceChildren(
      ...[...list, ...search, ...named, ["?", "these keys"]].flatMap(([key, words]) => {
        const [term, description] = [document.createElement("dt"), document.createElement("dd")];
        term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
        description.textContent = words;
        return [term, description];
      }),
    );
    dialog.querySelector("input").checked = !isOff();
    dialog.showModal();
  }

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=checkbox]), textarea, select, dialog");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.key.length > 1) return;
    if (press(event.key) !== false) event.preventDefault();
  });

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("keys-button");
    if (!button) return; // a window of its own, without a header
    button.hidden = false;
    button.addEventListener("click", help);
    document.querySelector("#keys input").addEventListener("change", (event) => {
      if (event.target.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "yes");
    });
  });
})();
