// The page: a stream of frames comes in, charts and words go out. Nothing is loaded from anywhere but this server.

import { Boxes } from "/page/boxes.js";
import { Charts } from "/page/charts.js";
import { Panels } from "/page/panels.js";

const SILENT_MS = 3000; // frames come every second at least
const DRAW_MS = 100;

const setup = JSON.parse(document.getElementById("setup").textContent);
const liveButton = document.getElementById("live");
let heardMs = 0;
let stale = true;

async function order(name, alarm, more = {}) {
  try {
    const answer = await fetch(`api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", [setup.header]: setup.token },
      body: JSON.stringify({ alarm, ...more }),
    });
    return answer.ok ? "" : (await answer.json()).error;
  } catch {
    return "loopwatch does not answer: is it still running?";
  }
}

const theme = localStorage.getItem("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
function paint(choice) {
  document.documentElement.dataset.theme = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
}
paint(theme ?? "system");

const panels = new Panels(order, setup.shelf);
const boxes = new Boxes(setup);
const charts = new Charts(document.getElementById("charts"), setup, (fromS) => { liveButton.hidden = !fromS; });

document.getElementById("theme").addEventListener("click", () => {
  const choice = { dark: "light", light: "system" }[localStorage.getItem("theme") ?? "system"] ?? "dark";
  localStorage.setItem("theme", choice);
  paint(choice);
  charts.build();
  boxes.build();
});
dark.addEventListener("change", () => {
  paint(localStorage.getItem("theme") ?? "system");
  charts.build();
  boxes.build();
});

function press(spanS) {
  for (const button of document.querySelectorAll("[data-span]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.span) === spanS));
  }
  charts.span(spanS);
}
for (const button of document.querySelectorAll("[data-span]")) {
  button.addEventListener("click", () => press(Number(button.dataset.span)));
}
liveButton.addEventListener("click", () => charts.live());
document.getElementById("charts").addEventListener("dblclick", () => charts.live());

const source = new EventSource("api/stream");
let opened = false;
source.addEventListener("open", () => {
  opened = true;
  charts.restart();
});
source.addEventListener("message", (event) => {
  const frame = JSON.parse(event.data);
  heardMs = performance.now();
  charts.take(frame);
  if (frame.state) {
    stale = frame.state.link.stale;
    panels.verdict(frame.state.verdict.grade, frame.state.verdict.words);
    panels.show(frame.state);
    if (frame.state.board.id) boxes.news(frame.state.box_n);
    charts.levels = stale ? [] : frame.state.levels;
  }
  if (opened) {
    opened = false;
    charts.fill();
  }
});

let drawnMs = 0;
function draw(nowMs) {
  if (nowMs - drawnMs >= DRAW_MS) {
    drawnMs = nowMs;
    const silent = heardMs > 0 && performance.now() - heardMs > SILENT_MS;
    if (silent) panels.verdict("urgent", "NO CONNECTION to loopwatch: what stands here is old");
    document.body.classList.toggle("old", silent || stale);
    if (!charts.frame) charts.draw();
  }
  requestAnimationFrame(draw);
}
press(120);
requestAnimationFrame(draw);
window.loopwatch = { charts, source };
