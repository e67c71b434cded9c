// A button for the browser's own printing; without JavaScript its menu does the same.
"use strict";

const button = document.getElementById("print");
button.addEventListener("click", () => window.print());
button.hidden = false;
