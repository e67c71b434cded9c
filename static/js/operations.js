// Keeps the operations page current: asks for its strip every data-interval ms, and says so when no answer comes.
"use strict";

(() => {
  const ANSWER_WITHIN = 5000; // ms
  const now = document.getElementById("now");
  const late = document.getElementById("now-late");
  if (!now) return;

  function show(html) {
    const focused = now.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    now.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
    if (focused) now.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }

  async function poll() {
    if (document.visibilityState !== "visible") return;
    try {
      const options = { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN) };
      const response = await fetch(now.dataset.url, options);
      if (response.type === "opaqueredirect") return location.reload(); // signed out
      late.hidden = response.ok;
      if (response.ok) show(await response.text());
    } catch {
      late.hidden = false;
    }
  }

  setInterval(poll, Number(now.dataset.interval));
})();
