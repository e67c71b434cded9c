// Selects what of a search could not be read: typing replaces it.
"use strict";

const box = document.getElementById("search-text");
const wrong = box.dataset.wrong;
const start = wrong ? box.value.toLowerCase().indexOf(wrong.toLowerCase()) : -1;
box.focus();
if (start < 0) box.setSelectionRange(box.value.length, box.value.length);
else box.setSelectionRange(start, start + wrong.length);
