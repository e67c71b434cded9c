// Keeps a clinician's page current. It asks every data-interval ms for what changed, replaces only those cells (focus
// and scroll stay), lets ages count up by themselves, says so when it can no longer ask, and takes patient data down
// when the session has ended.
"use strict";

(() => {
  const STALE_AFTER = 300; // seconds; vitals/templatetags/hyperspace.py goes by the same
  const MISSES_SHOWN = 3;
  const ANSWER_WITHIN = 5000; // ms
  const ENDED = [401, 403, 404, 423];
  const STORES = { sessions: "Redis, which keeps the sessions, is away", database: "PostgreSQL is away" };

  const live = document.getElementById("live");
  if (!live) return;
  const banner = document.getElementById("banner");
  const state = document.getElementById("live-state");
  const pause = document.getElementById("live-pause");

  let clockOffset = Date.parse(live.dataset.now) - Date.now(); // ages go by the server's clock
  let lastAnswer = Date.now();
  let misses = 0;
  let cause = "";
  let isPaused = false;
  let pausedAt = 0;
  let timer = null;
  let isAsking = false;

  const now = () => Date.now() + clockOffset;
  const clock = (ms, options) =>
    new Date(ms).toLocaleTimeString("en-GB", { timeZone: live.dataset.zone, hour: "2-digit", minute: "2-digit", ...options });

  function ageText(seconds) {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    return seconds < 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
  }

  function showAges(root) {
    for (const time of root.querySelectorAll("time[data-age]")) {
      const seconds = Math.max(0, Math.floor((now() - Date.parse(time.dateTime)) / 1000));
      const cell = time.closest("[data-cell]");
      const limit = Number(cell.dataset.staleAfter) || STALE_AFTER;
      const text = ageText(seconds);
      if (time.textContent !== text) time.textContent = text;
      cell.classList.toggle("stale", seconds > limit);
      for (const mark of cell.querySelectorAll("[data-stale]")) mark.hidden = seconds <= limit;
    }
    for (const time of root.querySelectorAll("time[data-due]")) {
      const seconds = Math.floor((Date.parse(time.dateTime) - now()) / 1000);
      const text = seconds < 0 ? `overdue ${ageText(-seconds)}` : `in ${ageText(seconds)}`;
      if (time.textContent !== text) time.textContent = text;
      time.closest("[data-cell]").classList.toggle("overdue", seconds < 0);
    }
  }

  function patch(html, etag) {
    const incoming = new DOMParser().parseFromString(html, "text/html").body;
    showAges(incoming);
    const cells = incoming.querySelectorAll("[data-cell]");
    const shown = live.querySelectorAll("[data-cell]");
    const isSameShape = cells.length === shown.length && [...cells].every((cell, place) => cell.id === shown[place].id);
    if (isSameShape) {
      cells.forEach((cell, place) => {
        if (!shown[place].isEqualNode(cell)) shown[place].replaceWith(cell);
      });
    } else {
      const focused = document.activeElement.id; // a bed came or went, or another one is more urgent
      live.replaceChildren(...incoming.childNodes);
      if (focused) document.getElementById(focused)?.focus();
    }
    showAges(live);
    live.dataset.etag = etag; // proves what this page was shown; trend.js sends it, too
    live.dispatchEvent(new Event("patched"));
  }

  function takeDown() {
    clearTimeout(timer);
    clearInterval(ticker);
    document.removeEventListener("visibilitychange", resume);
    const notice = document.createElement("p");
    notice.className = "card narrow";
    notice.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = "Sign in again";
    notice.append("Your session has ended, or this page is no longer yours to see. ", link, " to go on.");
    document.getElementById("main").replaceChildren(notice);
    banner.hidden = true;
  }

  // What is wrong, the worst first: each part of the chain that can die is named.
  function warn() {
    const feed = document.querySelector("#tile-feed.stale time");
    let text = "";
    if (isPaused) text = `Paused at ${clock(pausedAt)}. What you see may have changed.`;
    else if (misses >= MISSES_SHOWN) text = `Not updating since ${clock(lastAnswer + clockOffset)}: ${cause}. What you see may have changed.`;
    else if (feed) text = `No new readings on this unit since ${clock(Date.parse(feed.dateTime))}: the monitors, their feed or the worker may have stopped.`;
    if (banner.textContent !== text) banner.textContent = text; // announced once, not at every poll
    banner.hidden = !text;
  }

  function answered(response) {
    const date = Date.parse(response.headers.get("Date"));
    if (date) clockOffset = date - Date.now();
    lastAnswer = Date.now();
    misses = 0;
    warn();
    if (isPaused) return; // the answer was under way
    state.textContent = document.querySelector("#held .note") ? "Held" : "Live"; // answered, but by what was read before
  }

  function missed(why) {
    misses += 1;
    cause = why;
    warn();
    if (misses >= MISSES_SHOWN) state.textContent = "Not updating";
  }

  const refusal = (response) =>
    STORES[response.headers.get("Epicops-Unavailable")] || `the server answers with error ${response.status}`;

  async function poll() {
    if (isAsking) return; // its answer has the next one asked
    isAsking = true;
    try {
      const response = await fetch(live.dataset.cells, {
        headers: { "If-None-Match": live.dataset.etag },
        redirect: "manual",
        cache: "no-store",
        signal: AbortSignal.timeout(ANSWER_WITHIN),
      });
      if (response.type === "opaqueredirect" || ENDED.includes(response.status)) return takeDown();
      if (response.status === 200) patch(await response.text(), response.headers.get("ETag"));
      if (response.ok || response.status === 304) answered(response);
      else missed(refusal(response));
    } catch (error) {
      missed(error.name === "TimeoutError" ? "the server does not answer in time" : "the server cannot be reached");
    } finally {
      isAsking = false;
    }
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (!isPaused && document.visibilityState === "visible") timer = setTimeout(poll, Number(live.dataset.interval));
  }

  function resume() {
    clearTimeout(timer);
    if (!isPaused && document.visibilityState === "visible") poll();
  }

  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pausedAt = now();
    pause.textContent = isPaused ? "Resume" : "Pause";
    state.textContent = isPaused ? "Paused" : "Live";
    warn();
    resume();
  });
  document.addEventListener("visibilitychange", resume);
  window.addEventListener("pageshow", (event) => event.persisted && location.reload()); // never an old page after "back"

  const ticker = setInterval(() => {
    showAges(live);
    warn();
  }, 1000);
  pause.hidden = false;
  state.textContent = "Live";
  showAges(live);
  schedule();
})();
