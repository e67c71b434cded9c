// Draws the last 24 hours of a bed's patient, to look closer at. The table on the page has the figures; the plot goes as
// soon as another patient is in the bed.
"use strict";

(() => {
  const EVERY = 60_000; // ms
  const JOINED = 3600; // seconds; readings further apart are not joined by a line
  const LINES = [
    ["hr", "Heart rate /min", "--ink", []],
    ["sbp", "Systolic mmHg", "--accent", []],
    ["dbp", "Diastolic mmHg", "--accent", [6, 4]],
    ["rr", "Respiratory rate /min", "--warn", [2, 3]],
    ["spo2", "SpO2 %", "--bad", [8, 3, 2, 3]],
    ["temp", "Temperature °C", "--ok", []],
  ];

  const CLOCK = [["{h}:{mm}{aa}", "{HH}:{mm}"], ["{h}{aa}", "{HH}:00"], ["{M}/{D}/{YY}", "{D} {MMM}"], ["{M}/{D}", "{D} {MMM}"]];

  const section = document.getElementById("trend");
  const live = document.getElementById("live");
  if (!section || !live) return;
  const place = document.getElementById("plot");
  const now = () => Date.now() / 1000;
  const encounter = () => document.getElementById("occupant")?.dataset.encounter ?? "";
  let plot = null;
  let drawn = "";
  let hours = 24;

  // A minute in which another vital was measured is no gap in this one's line.
  function gaps(chart, _series, _first, _last, found) {
    const width = chart.valToPos(JOINED, "x", true) - chart.valToPos(0, "x", true);
    return found.filter(([from, to]) => to - from > width);
  }

  // Readings with nothing right before and after them are dots; in a dense line there are none.
  function between(chart, series) {
    const values = chart.data[series];
    return [...values.keys()].filter((at) => values[at] !== null && values[at - 1] == null && values[at + 1] == null);
  }

  function remove() {
    plot?.destroy();
    plot = null;
    drawn = "";
    section.hidden = true;
  }

  function show() {
    plot?.setScale("x", { min: now() - hours * 3600, max: now() });
  }

  function options() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const value = (_, number) => (number === null || number === undefined ? "–" : String(number));
    return {
      width: Math.max(place.clientWidth - 36, 240),
      height: 320,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), live.dataset.zone),
      fmtDate: (template) => uPlot.fmtDate(CLOCK.reduce((text, [theirs, ours]) => text.replace(theirs, ours), template)),
      scales: { temp: { range: (_, low, high) => [Math.min(34, Math.floor(low ?? 34)), Math.max(42, Math.ceil(high ?? 42))] } },
      axes: [axis, axis, { ...axis, side: 1, scale: "temp", grid: { show: false } }],
      series: [
        { label: "Time", value: "{HH}:{mm}" },
        ...LINES.map(([name, label, ink, dash]) => ({
          label,
          value,
          dash,
          stroke: colour(ink),
          scale: name === "temp" ? "temp" : "y",
          width: 1.5,
          gaps,
          points: { size: 4, fill: colour(ink), filter: between },
        })),
      ],
    };
  }

  async function draw() {
    const response = await fetch(section.dataset.series, {
      headers: { "If-None-Match": live.dataset.etag }, // the page's own view, which is on record
      redirect: "error",
      cache: "no-store",
    });
    if (response.status === 503) return; // a store is away: what is drawn is still this patient's
    if (!response.ok) return remove();
    const answer = await response.json();
    if (!answer.series.at?.length || String(answer.encounter) !== encounter()) return remove();
    const data = [answer.series.at, ...LINES.map(([name]) => answer.series[name])];
    section.hidden = false;
    if (plot && drawn === encounter()) plot.setData(data, false);
    else {
      remove();
      section.hidden = false;
      plot = new uPlot(options(), data, place);
      drawn = encounter();
      show();
    }
  }

  const attempt = () => draw().catch(() => {}); // the page itself says when the server is away

  live.addEventListener("patched", () => {
    if (drawn === encounter()) return;
    remove();
    attempt();
  });
  for (const button of section.querySelectorAll("[data-hours]"))
    button.addEventListener("click", () => {
      hours = Number(button.dataset.hours);
      show();
    });
  window.addEventListener("resize", () => plot?.setSize({ width: Math.max(place.clientWidth - 36, 240), height: 320 }));
  setInterval(() => document.visibilityState === "visible" && attempt(), EVERY);
  attempt();
})();
