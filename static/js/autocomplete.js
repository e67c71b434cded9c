// Names the search fields of the stock admin's autocomplete after what they fill in: they have no name of their own.
"use strict";

(() => {
  function name() {
    for (const field of document.querySelectorAll(".select2-search__field:not([aria-label])")) {
      const label = field.closest(".form-row")?.querySelector("label")?.textContent.replace(":", "");
      field.setAttribute("aria-label", label || "Search");
    }
  }

  addEventListener("DOMContentLoaded", () => new MutationObserver(name).observe(document.body, { childList: true, subtree: true }));
})();
