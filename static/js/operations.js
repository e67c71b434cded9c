// Keeps the operations page current: asks for each of its parts every data-interval ms, and says so when no answer comes.
"use strict";

(() => {
  const ANSWER_WITHIN = 5000; // ms
  const late = document.getElementById("late");
  const silent = new Set();
  const asking = new Set();

  function show(part, html) {
    const incoming = new DOMParser().parseFromString(html, "text/html").body;
    const state = incoming.querySelector("[data-state]")?.dataset.state;
    if (state !== part.dataset.state) return location.reload(); // what may be done has changed with it
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    part.replaceChildren(...incoming.childNodes);
    part.querySelectorAll("details").forEach((details, place) => { details.open = open[place] ?? false; });
    if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }

  async function poll(part) {
    if (document.visibilityState !== "visible" || asking.has(part)) return;
    let isAnswered = false;
    asking.add(part);
    try {
      const options = { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN) };
      const response = await fetch(part.dataset.poll, options);
      if (response.type === "opaqueredirect") return location.reload(); // signed out
      if (response.ok) show(part, await response.text());
      isAnswered = response.ok;
    } catch {
      // No answer: the page says so.
    }
    asking.delete(part);
    if (isAnswered) silent.delete(part);
    else silent.add(part);
    late.hidden = silent.size === 0;
  }

  for (const part of document.querySelectorAll("[data-poll]")) {
    setInterval(() => poll(part), Number(part.dataset.interval));
  }
})();
