// Warns two minutes before the session locks or ends, takes the page down at zero, and keeps the tabs in step. The server
// decides: before it warns or takes anything down, it is asked, which extends nothing.
"use strict";

(() => {
  const WARN = 120; // seconds; NIST SP 800-63B (rev. 3), 10
  const AGAIN = 5; // seconds until a server that cannot be reached is asked again
  const box = document.getElementById("session");
  if (!box) return;
  const tabs = new BroadcastChannel("session");

  // The login and the lock screen: other tabs follow, and this one follows them back.
  if (box.dataset.state !== "open") {
    tabs.postMessage("over");
    if (box.dataset.state === "locked") tabs.onmessage = ({ data }) => data !== "over" && location.replace(box.dataset.back);
    return;
  }

  const dialog = document.getElementById("session-dialog");
  const rest = dialog.querySelector("[data-rest]");
  const said = dialog.querySelector("[data-said]");
  const form = dialog.querySelector("form");
  let endsAt = 0;
  let isAsking = false;
  let isConfirmed = false; // the server has said that the end is near
  let isDown = false;
  let isLeaving = false;

  const secondsLeft = () => Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
  const spoken = (seconds) => (seconds >= 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${seconds} s`);

  function extendTo(moment) {
    endsAt = moment;
    isConfirmed = false;
    if (secondsLeft() <= WARN) return;
    if (isDown) location.reload(); // another tab went on
    if (dialog.open) dialog.close();
  }

  // `locksIn` is null where nothing locks. Where something does, that comes before the end.
  function read(left, locksIn) {
    const willLock = locksIn !== null && Number(locksIn) <= Number(left);
    dialog.querySelector("[data-what]").textContent = willLock ? "It locks" : "You are signed out";
    extendTo(Date.now() + 1000 * Number(willLock ? locksIn : left));
  }

  async function ask(request) {
    isAsking = true;
    try {
      const answer = await fetch(request, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(AGAIN * 1000) });
      if (answer.status === 204) {
        read(answer.headers.get("Session-Seconds-Left"), answer.headers.get("Session-Locks-In"));
      } else if (answer.type === "opaqueredirect" || [401, 403, 423].includes(answer.status)) leave();
      isAsking = false;
    } catch {
      setTimeout(() => (isAsking = false), AGAIN * 1000);
    }
    isConfirmed = true; // or nobody there to contradict
  }

  function takeDown() {
    if (isDown) return;
    isDown = true;
    if (dialog.open) dialog.close();
    document.title = "Locked · epicops";
    const notice = document.createElement("p");
    notice.className = "card narrow";
    notice.setAttribute("role", "alert");
    notice.textContent = "Nobody has used this page for a while. What was shown here has been taken down.";
    document.getElementById("main").replaceChildren(notice);
    for (const banner of document.querySelectorAll(".banner")) banner.remove();
  }

  // A page load leads to the lock screen or to the login page, and from there back here.
  function leave() {
    takeDown();
    if (isLeaving) return;
    isLeaving = true;
    tabs.postMessage("over");
    location.replace(location.pathname + location.search);
  }

  function tick() {
    const seconds = secondsLeft();
    if (seconds > WARN) return;
    if (seconds === 0) takeDown();
    if (!isAsking && (!isConfirmed || seconds === 0)) ask(box.dataset.ask);
    if (!isConfirmed || isDown) return;
    if (!dialog.open) {
      dialog.showModal();
      said.textContent = `${spoken(seconds)} left`;
    }
    rest.textContent = spoken(seconds);
    if (seconds === 30 || seconds === 10) said.textContent = `${spoken(seconds)} left`;
  }

  async function stay(event) {
    event.preventDefault();
    await ask(new Request(form.action, { method: "POST", body: new FormData(form) }));
    tabs.postMessage(endsAt);
  }

  form.addEventListener("submit", stay);
  dialog.addEventListener("cancel", stay); // Escape: somebody is there
  document.addEventListener("visibilitychange", tick); // timers rest in hidden tabs
  tabs.onmessage = ({ data }) => {
    if (data !== "over") return extendTo(data);
    takeDown();
    ask(box.dataset.ask);
  };

  read(box.dataset.left, box.dataset.locksIn ?? null);
  tabs.postMessage(endsAt);
  setInterval(tick, 1000);
  tick();
})();
