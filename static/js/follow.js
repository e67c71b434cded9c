// Follows the first page of a list: takes its rows anew every data-interval ms, while nobody is busy with one of them.
"use strict";

(() => {
  const ANSWER_WITHIN = 5000; // ms
  const button = document.getElementById("follow");
  const state = document.getElementById("follow-state");
  const form = document.getElementById("changelist-form");
  let timer = 0;
  let etag = ""; // of the rows that are shown
  let isSelectable = true; // by the stock admin's script, which knows the rows that it was started with
  let isAnswered = true;

  const isOn = () => button.getAttribute("aria-pressed") === "true";
  const links = () => [...form.querySelectorAll("#result_list tbody th a")];

  /* Why the rows have to stay where they are. */
  function hindrance() {
    if (document.visibilityState !== "visible") return "this tab is hidden";
    if (form.querySelector(".action-select:checked")) return "a row is selected";
    if (form.contains(document.activeElement)) return "a row is in focus";
    return form.contains(getSelection().anchorNode) && !getSelection().isCollapsed ? "text is marked" : "";
  }

  function say() {
    const why = isOn() && hindrance();
    const text = !isOn() ? "" : why ? `Paused: ${why}` : isAnswered ? "Following" : "Not updating: no answer";
    if (state.textContent !== text) state.textContent = text; // announced once
  }

  function show(html) {
    const known = new Set(links().map((link) => link.pathname));
    const incoming = new DOMParser().parseFromString(html, "text/html").body;
    form.replaceChildren(form.elements.csrfmiddlewaretoken, ...incoming.childNodes);
    for (const link of links()) link.closest("tr").classList.toggle("new", !known.has(link.pathname));
    isSelectable = false;
  }

  async function poll() {
    try {
      const response = await fetch(button.dataset.poll, {
        headers: { "If-None-Match": etag },
        redirect: "manual",
        cache: "no-store",
        signal: AbortSignal.timeout(ANSWER_WITHIN),
      });
      if (response.type === "opaqueredirect") return location.reload(); // signed out
      const html = await response.text();
      isAnswered = response.ok || response.status === 304;
      if (!response.ok || !isOn() || hindrance()) return;
      show(html);
      etag = response.headers.get("ETag");
    } catch {
      isAnswered = false;
    }
  }

  async function follow() {
    clearTimeout(timer);
    if (!isOn() || !form.isConnected) return; // the session's clock takes the page down at its end
    if (!hindrance()) await poll();
    say();
    timer = setTimeout(follow, Number(button.dataset.interval));
  }

  function prepare() {
    if (!isSelectable && form.querySelector(".action-select")) Actions(form.querySelectorAll(".action-select"));
    isSelectable = true;
  }

  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(!isOn()));
    say();
    follow();
  });
  for (const begin of ["pointerdown", "focusin"]) form.addEventListener(begin, prepare);
  for (const turn of ["focusin", "focusout", "change"]) form.addEventListener(turn, () => setTimeout(say));
  document.addEventListener("visibilitychange", say);
  button.hidden = false;
})();
