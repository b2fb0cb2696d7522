// The black boxes: a list beside the charts, and a window with every sample around one alarm.

import { DASHES, MARKERS, withMargin } from "/page/charts.js";

const HEIGHT_PX = 120;

async function fetched(path) {
  const answer = await fetch(path).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

export class Boxes {
  constructor(setup) {
    this.charts = setup.charts.filter((chart) => chart.figures.every((figure) => setup.fine.includes(figure.field)));
    this.window = document.getElementById("box");
    this.plots = [];
    this.heard = -1;
    document.getElementById("box-close").addEventListener("click", () => this.window.close());
    this.window.addEventListener("close", () => this.clear());
    addEventListener("resize", () => this.resize());
  }

  // The board has told how many boxes came since this program runs: a change is news.
  async news(count) {
    if (count === this.heard) return;
    this.heard = count;
    const rows = await fetched("api/boxes");
    if (!rows) {
      this.heard = -1;
      return;
    }
    document.getElementById("boxes").replaceChildren(...(rows.length ? rows.map((row) => this.entry(row)) : [nothing()]));
  }

  entry(row) {
    const line = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.box = row.id;
    const when = row.at_s === null ? `box ${row.box_n}` : new Date(row.at_s * 1000).toLocaleString();
    button.textContent = `${row.alarm.replaceAll("_", " ")} · ${when}${row.complete ? "" : " · cut"}`;
    button.addEventListener("click", () => this.open(row));
    line.append(button);
    return line;
  }

  async open(row) {
    const box = await fetched(`api/boxes/${row.id}.json`);
    if (!box) return;
    document.getElementById("box-title").textContent = `black box: ${row.alarm.replaceAll("_", " ")}`;
    document.getElementById("box-words").textContent = box.words;
    const link = document.getElementById("box-csv");
    link.href = `api/boxes/${row.id}.csv`;
    this.box = box;
    if (!this.window.open) this.window.showModal();
    this.build();
  }

  // Draw the box; also when the theme has changed.
  build() {
    this.clear();
    if (!this.window.open) return;
    const place = document.getElementById("box-charts");
    this.plots = this.charts.map((chart) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = `${chart.title} (${chart.figures[0].unit})`;
      figure.append(caption);
      place.append(figure);
      const columns = chart.figures.map((each) => (
        this.box[each.field].map((value) => (value === null ? null : value / each.divisor))));
      const plot = new uPlot(this.options(chart, figure), [this.box.t, ...columns], figure);
      return plot;
    });
  }

  clear() {
    for (const plot of this.plots) plot.destroy();
    this.plots = [];
    document.getElementById("box-charts").replaceChildren();
  }

  options(chart, place) {
    const css = getComputedStyle(document.documentElement);
    const axis = { stroke: css.getPropertyValue("--faint"), grid: { stroke: css.getPropertyValue("--grid"), width: 1 },
      ticks: { stroke: css.getPropertyValue("--grid"), width: 1 } };
    const { decimals, unit } = chart.figures[0];
    return {
      width: Math.max(200, place.clientWidth - 28),
      height: HEIGHT_PX,
      cursor: { sync: { key: "box" } },
      scales: {
        x: { time: false, range: [this.box.from_s, this.box.to_s] },
        y: { range: (plot, least, most) => withMargin(least, most, unit, []) },
      },
      series: [
        { label: "from the alarm", value: (plot, atS) => (atS == null ? "–" : `${atS.toFixed(1)} s`) },
        ...chart.figures.map((figure, i) => ({
          label: figure.label, stroke: css.getPropertyValue(`--line-${i + 1}`), width: 1.5, dash: DASHES[i],
          points: { show: false },
          value: (plot, value) => (value == null ? "–" : `${value.toFixed(decimals)} ${unit}`),
        })),
      ],
      legend: { markers: { dash: (plot, n) => MARKERS[n - 1] } },
      axes: [{ ...axis, size: 34, values: (plot, splits) => splits.map((atS) => `${atS} s`) }, { ...axis, size: 62 }],
      hooks: { drawAxes: [(plot) => mark(plot, css)] },
    };
  }

  resize() {
    for (const plot of this.plots) plot.setSize({ width: Math.max(200, plot.root.parentElement.clientWidth - 28), height: HEIGHT_PX });
  }
}

// The alarm's moment, upright and named.
function mark(plot, css) {
  const { ctx } = plot;
  const { top, height } = plot.bbox;
  const x = plot.valToPos(0, "x", true);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = css.getPropertyValue("--level");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  ctx.fillText("alarm", x + 4 * devicePixelRatio, top + 2 * devicePixelRatio);
  ctx.restore();
}

function nothing() {
  const line = document.createElement("li");
  line.className = "none";
  line.textContent = "none yet: one comes a minute or two after an alarm";
  return line;
}
