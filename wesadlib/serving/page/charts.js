// What is drawn, by uPlot: the probabilities over the recording, and the signals of the last minute.
/* global uPlot */
import { channelWords, clock, percent, unitWords } from "./words.js";

const TIMELINE_S = 1200;
const SIGNALS_S = 60;
// Below this the server refuses a window.
const LEAST_QUALITY = 0.5;
// Where the answers are marked, under the axis of probabilities.
const STRIP = [-0.16, -0.05];

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const stateColor = (state) => color(`state-${state}`) || color("muted");

// A chart that fills an element.
function mount(element, options, series) {
  const size = () => ({ width: element.clientWidth, height: element.clientHeight });
  const shared = { legend: { show: false }, cursor: { show: false }, ...size(), series: [{}, ...series] };
  const data = Array.from({ length: series.length + 1 }, () => []);
  const chart = new uPlot({ ...shared, ...options }, data, element);
  const observer = new ResizeObserver(() => chart.setSize(size()));
  observer.observe(element);
  chart.hooks.destroy = [() => observer.disconnect()];
  return chart;
}

export class Timeline {
  constructor(element) {
    this.element = element;
  }

  reset(model, durationS, hopS) {
    this.chart?.destroy();
    Object.assign(this, { model, durationS, hopS, predictions: [], positionS: 0 });
    const axis = { stroke: color("muted"), font: "11px sans-serif", grid: { stroke: color("line") }, ticks: { show: false } };
    const style = (stroke) => ({ stroke, width: 2, points: { size: 4, fill: stroke } });
    const options = {
      scales: { x: { time: false, range: () => this.span() }, y: { range: [STRIP[0] - 0.02, 1] } },
      axes: [
        { ...axis, size: 22, incrs: [5, 10, 15, 30, 60, 120, 300, 600], values: (_, times) => times.map(clock) },
        { ...axis, size: 48, splits: [0, 0.5, 1], values: (_, shares) => shares.map(percent) },
      ],
      padding: [8, 10, 0, 0],
      hooks: { draw: [(chart) => this.mark(chart)] },
    };
    this.chart = mount(this.element, options, model.states.map(stateColor).map(style));
  }

  span() {
    const fromS = Math.max(0, Math.min(this.positionS, this.durationS) - TIMELINE_S);
    return [fromS, Math.min(this.durationS, fromS + TIMELINE_S)];
  }

  draw(positionS) {
    this.positionS = positionS;
    const shown = this.predictions.filter(({ end_s: endS }) => endS >= this.span()[0]);
    const shares = this.model.states.map((state) => shown.map(({ answer }) => answer.probabilities?.[state] ?? null));
    this.chart.setData([shown.map(({ end_s: endS }) => endS), ...shares]);
  }

  // The confidence that is needed, where the replay is, and what was answered.
  mark(chart) {
    const { ctx } = chart;
    const x = (time) => chart.valToPos(time, "x", true);
    const y = (share) => chart.valToPos(share, "y", true);
    const { left, top, width, height } = chart.bbox;
    ctx.save();
    ctx.clip(new Path2D(`M${left} ${top}h${width}v${height}h${-width}z`));
    Object.assign(ctx, { strokeStyle: color("ink"), lineWidth: devicePixelRatio });
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.stroke(new Path2D(`M${left} ${y(this.model.min_confidence)}h${width}`));
    ctx.setLineDash([]);
    for (const { end_s: endS, answer } of this.predictions) {
      const begin = x(endS - this.hopS) + 1;
      const box = [begin, y(STRIP[1]), Math.max(1, x(endS) - begin - 1), y(STRIP[0]) - y(STRIP[1])];
      ctx.fillStyle = answer.abstained ? color("unsure") : stateColor(answer.state ?? "");
      if (answer.status === "rejected") ctx.strokeRect(...box);
      else ctx.fillRect(...box);
    }
    ctx.fillStyle = color("muted");
    if (this.positionS > 0) ctx.fillRect(x(this.positionS), top, devicePixelRatio, height);
    ctx.restore();
  }
}

export class Signals {
  constructor(list, template) {
    Object.assign(this, { list, template, rows: new Map() });
  }

  // Makes a row for each channel of the model.
  build(channels) {
    for (const { chart } of this.rows.values()) chart.destroy();
    this.list.replaceChildren();
    this.rows.clear();
    this.positionS = 0;
    for (const [name, { units }] of Object.entries(channels)) {
      const row = this.template.content.firstElementChild.cloneNode(true);
      const find = (part) => row.querySelector(`.${part}`);
      row.dataset.channel = row.title = name;
      find("name").textContent = channelWords(name);
      find("value").textContent = unitWords(units);
      find("meter").setAttribute("aria-label", `Quality, ${channelWords(name)}`);
      find("plot").setAttribute("aria-label", `${channelWords(name)}, last minute`);
      this.list.append(row);
      const options = {
        scales: { x: { time: false, range: () => [this.positionS - SIGNALS_S, Math.max(this.positionS, 1)] } },
        axes: [{ show: false }, { show: false }],
        padding: [4, 0, 4, 0],
      };
      const series = { stroke: color("signal"), width: 1.2, points: { show: false } };
      this.rows.set(name, { row, find, unit: unitWords(units), chart: mount(find("plot"), options, [series]) });
    }
    this.showQuality(null);
  }

  draw(channels, positionS) {
    this.positionS = positionS;
    for (const [name, { find, unit, chart }] of this.rows) {
      const { rateHz, samples } = channels[name];
      const stop = Math.min(samples.length, Math.floor(positionS * rateHz + 1e-6));
      const first = Math.max(0, Math.ceil((positionS - SIGNALS_S) * rateHz));
      const values = samples.slice(first, stop);
      chart.setData([values.map((_, k) => (first + k) / rateHz), values]);
      const last = values.at(-1) ?? null;
      find("value").textContent = last === null ? unit : `${last.toPrecision(3).replace("-", "−")} ${unit}`;
    }
  }

  // Shows what the last answer says of each channel; null where there is none yet.
  showQuality(quality) {
    for (const [name, { row, find }] of this.rows) {
      const score = quality?.[name] ?? null;
      row.classList.toggle("poor", score !== null && score < LEAST_QUALITY);
      find("meter").firstElementChild.style.width = `${100 * (score ?? 0)}%`;
      find("score").textContent = score === null ? "–" : score.toFixed(2);
      find("meter").setAttribute("aria-valuenow", (score ?? 0).toFixed(2));
      find("meter").setAttribute("aria-valuetext", score === null ? "not known" : score.toFixed(2));
    }
  }
}
