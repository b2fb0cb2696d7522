// Strip charts: the last minutes as they come, or a piece of the past that somebody has drawn a frame around.
// Rows of 10 Hz are kept for short spans, rows of 1 Hz for long ones; what is older than this page comes from the log.

import { Ring, thin } from "/page/ring.js";

const FINE_SPAN_S = 600;
const FINE_N = 8192;
const COARSE_N = 36000;
const FINE_GAP_S = 1.0;
const COARSE_GAP_S = 2.5;
const POINTS_N = 1200;
const LEAST_SPAN = { bar: 0.004, "°C": 1.0, mL: 1.0 };
export const DASHES = [[], [9, 4], [2, 3]];
export const MARKERS = ["solid", "dashed", "dotted"];
const HEIGHT_PX = 220;

export class Charts {
  // zoomed(fromS, toS) is called when somebody draws a frame, with nothing when it is over.
  constructor(place, setup, zoomed) {
    this.setup = setup;
    this.place = place;
    this.zoomed = zoomed;
    this.fine = new Ring(setup.fine, FINE_N);
    this.coarse = new Ring(setup.coarse, COARSE_N);
    this.past = { measured: { t: [] }, decided: { t: [] } };
    this.frame = null;
    this.spanS = 120;
    this.wanted = 0;
    this.drawN = 0;
    this.levels = []; // name, at_ml and near of what alarms now, nearest first
    this.build();
    new ResizeObserver(() => this.resize()).observe(place);
  }

  build() {
    for (const plot of this.plots ?? []) plot.destroy();
    this.place.replaceChildren();
    this.plots = this.setup.charts.map((chart) => {
      const box = document.createElement("figure");
      box.id = `chart-${chart.name}`;
      const caption = document.createElement("figcaption");
      caption.textContent = `${chart.title} (${chart.figures[0].unit}) `;
      const stale = document.createElement("span");
      stale.className = "stale";
      stale.textContent = "old: nothing comes";
      caption.append(stale);
      box.append(caption);
      this.place.append(box);
      const plot = new uPlot(this.options(chart, box), [[], ...chart.figures.map(() => [])], box);
      plot.chart = chart;
      return plot;
    });
    this.draw();
  }

  options(chart, box) {
    const css = getComputedStyle(document.documentElement);
    const axis = { stroke: css.getPropertyValue("--faint"), grid: { stroke: css.getPropertyValue("--grid"), width: 1 },
      ticks: { stroke: css.getPropertyValue("--grid"), width: 1 } };
    const decimals = chart.figures[0].decimals;
    return {
      width: Math.max(200, box.clientWidth - 28),
      height: HEIGHT_PX,
      cursor: { sync: { key: "loop" }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: true }, y: { range: (plot, least, most) => {
        const seen = this.levelsOf(chart).filter((level) => level.near).map((level) => level.at_ml);
        return withMargin(least, most, chart.figures[0].unit, seen);
      } } },
      series: [
        { label: "time", value: (plot, atS) => (atS == null ? "–" : clock(atS, 1)) },
        ...chart.figures.map((figure, i) => ({
          label: figure.label,
          stroke: css.getPropertyValue(`--line-${i + 1}`),
          width: 1.5,
          dash: DASHES[i],
          points: { show: false },
          value: (plot, value) => (value == null ? "–" : `${value.toFixed(decimals)} ${figure.unit}`),
        })),
      ],
      legend: { markers: { dash: (plot, place) => MARKERS[place - 1] } },
      axes: [
        { ...axis, size: 34, values: (plot, splits, place, space, stepS) => splits.map((atS) => clock(atS, stepS)) },
        { ...axis, size: 62 },
      ],
      hooks: { setSelect: [(plot) => this.select(plot)], drawAxes: [(plot) => this.drawLevels(plot, css)] },
    };
  }

  // The baseline and what alarms now, nearest first; of the past that somebody has zoomed into nothing is known.
  levelsOf(chart) {
    if (chart.name !== "residual" || this.frame) return [];
    return [{ name: "baseline", at_ml: 0, near: true }, ...this.levels];
  }

  // Behind the line: below the nearest level the ground is tinted, every level is dashed and has its name.
  drawLevels(plot, css) {
    const levels = this.levelsOf(plot.chart ?? {});
    if (!levels.length) return;
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    const ratio = devicePixelRatio;
    const y = (at) => plot.valToPos(at, "y", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    if (levels.length > 1) {
      ctx.fillStyle = css.getPropertyValue("--level-ground");
      ctx.fillRect(left, y(levels[1].at_ml), width, top + height - y(levels[1].at_ml));
    }
    levels.forEach(({ name, at_ml: at }, i) => {
      ctx.strokeStyle = ctx.fillStyle = css.getPropertyValue(i ? "--level" : "--faint");
      ctx.setLineDash(i ? [6 * ratio, 4 * ratio] : [1 * ratio, 3 * ratio]);
      ctx.lineWidth = ratio;
      ctx.beginPath();
      ctx.moveTo(left, y(at));
      ctx.lineTo(left + width, y(at));
      ctx.stroke();
      // Names stand beside each other, as levels may be close.
      ctx.fillText(i ? `${name} alarms` : name, left + (6 + (i ? 92 * (i - 1) : 0)) * ratio, y(at) - 2 * ratio);
    });
    ctx.restore();
  }

  select(plot) {
    if (plot.select.width < 5) return;
    const fromS = plot.posToVal(plot.select.left, "x");
    const toS = plot.posToVal(plot.select.left + plot.select.width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoom(fromS, toS);
  }

  async zoom(fromS, toS) {
    this.frame = { fromS, toS, rows: null };
    this.zoomed(fromS, toS);
    const frame = this.frame;
    frame.rows = await history(fromS, toS);
    if (this.frame === frame) this.draw();
  }

  live() {
    this.frame = null;
    this.zoomed();
    this.draw();
  }

  async span(spanS) {
    this.spanS = spanS;
    this.live();
    await this.fill();
  }

  // Bring in from the log what is older than the rows of this page.
  async fill() {
    this.wanted += 1;
    const wanted = this.wanted;
    const toS = Math.min(this.now(), this.ring().first || this.now());
    const rows = await history(this.now() - this.spanS, toS);
    if (wanted !== this.wanted) return;
    this.past = rows;
    this.draw();
  }

  // The stream begins anew: what was missed is in the log.
  restart() {
    this.fine.clear();
    this.coarse.clear();
  }

  take(frame) {
    this.offsetS = frame.now_s - performance.now() / 1000;
    for (const row of frame.fine ?? []) this.fine.push(row);
    for (const row of frame.coarse ?? []) this.coarse.push(row);
  }

  now() {
    return this.offsetS === undefined ? Date.now() / 1000 : this.offsetS + performance.now() / 1000;
  }

  ring() {
    return this.spanS <= FINE_SPAN_S ? this.fine : this.coarse;
  }

  draw() {
    const now = this.now();
    const fromS = this.frame ? this.frame.fromS : now - this.spanS;
    const toS = this.frame ? this.frame.toS : now;
    for (const plot of this.plots) {
      const lines = plot.chart.figures.map((figure) => this.line(figure, fromS, toS));
      const data = lines.length > 1 ? uPlot.join(lines, lines.map(() => [2, 2])) : lines[0];
      plot.batch(() => {
        plot.setData(data, false);
        plot.setScale("x", { min: fromS, max: toS });
      });
    }
    this.drawN += 1;
  }

  line(figure, fromS, toS) {
    const decided = !this.setup.fine.includes(figure.field);
    let t, v;
    if (this.frame) {
      const rows = this.frame.rows?.[decided ? "decided" : "measured"];
      [t, v] = rows ? [rows.t, rows[figure.field]] : [[], []];
    } else {
      const ring = decided ? this.coarse : this.ring();
      const gapS = ring === this.fine ? FINE_GAP_S : COARSE_GAP_S;
      const old = this.past[decided ? "decided" : "measured"];
      const [newT, newV] = ring.since(fromS, figure.field, gapS);
      const kept = newT.length ? firstFrom(old.t, newT[0]) : old.t.length;
      const begin = firstFrom(old.t, fromS);
      t = old.t.slice(begin, kept);
      v = (old[figure.field] ?? []).slice(begin, kept);
      if (t.length && newT.length && newT[0] - t[t.length - 1] > COARSE_GAP_S) {
        t.push((t[t.length - 1] + newT[0]) / 2);
        v.push(null);
      }
      t = t.concat(newT);
      v = v.concat(newV);
    }
    [t, v] = thin(t, v, POINTS_N);
    return [t, v.map((value) => (value === null ? null : value / figure.divisor))];
  }

  resize() {
    for (const plot of this.plots) {
      const width = plot.root.parentElement.clientWidth - 28;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT_PX });
    }
  }
}

function firstFrom(times, fromS) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < fromS) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Time of day, as fine as the step between two marks.
function clock(atS, stepS) {
  const at = new Date(atS * 1000);
  const two = (n) => String(n).padStart(2, "0");
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (stepS >= 86400) return `${at.getMonth() + 1}-${two(at.getDate())}`;
  return stepS < 60 ? `${time}:${two(at.getSeconds())}` : time;
}

export function withMargin(least, most, unit, seen) {
  const known = [least, most, ...seen].filter((value) => value !== null && value !== undefined);
  if (!known.length) return [0, 1];
  least = Math.min(...known);
  most = Math.max(...known);
  const more = Math.max(0, LEAST_SPAN[unit] - (most - least)) / 2 + 0.05 * (most - least);
  return [least - more, most + more];
}

async function history(fromS, toS) {
  const nothing = { measured: { t: [] }, decided: { t: [] } };
  if (!(fromS < toS)) return nothing;
  const answer = await fetch(`api/history?from=${fromS}&to=${toS}&points=1500`).catch(() => null);
  return answer?.ok ? answer.json() : nothing;
}
