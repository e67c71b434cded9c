/* Asks the server what an edited message would do, half a second after the last keystroke. */
"use strict";

const form = document.getElementById("edit");
let waiting = 0;
let asked = 0;

async function check() {
  const number = ++asked;
  const body = new FormData(form);
  body.append("check", "yes");
  const response = await fetch(form.action, { method: "POST", body });
  const answer = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("verdict");
  if (answer && number === asked) document.getElementById("verdict").replaceWith(answer);
}

form.addEventListener("input", (event) => {
  if (event.target.name === "reason") return;
  clearTimeout(waiting);
  waiting = setTimeout(() => check().catch(() => {}), 500); // the button remains
});
