// The signals of the last minute, a row a channel, each with its quality.

import { color, fit } from "./canvas.js";
import { channelWords, unitWords } from "./words.js";

const SHOWN_S = 60;
// Below this the server refuses a window.
export const LEAST_QUALITY = 0.5;

export class Signals {
  constructor(list, template) {
    this.list = list;
    this.template = template;
    this.rows = new Map();
  }

  // Makes a row for each channel of the model.
  build(channels) {
    this.list.replaceChildren();
    this.rows.clear();
    for (const [name, { units }] of Object.entries(channels)) {
      const row = this.template.content.firstElementChild.cloneNode(true);
      row.dataset.channel = name;
      row.title = name;
      const find = (part) => row.querySelector(`.${part}`);
      find("name").textContent = channelWords(name);
      find("meter").setAttribute("aria-label", `Quality, ${channelWords(name)}`);
      const canvas = row.querySelector("canvas");
      canvas.setAttribute("aria-label", `${channelWords(name)}, last minute`);
      this.list.append(row);
      this.rows.set(name, { row, canvas, find, unit: unitWords(units) });
    }
    this.showQuality(null);
  }

  draw(channels, positionS) {
    for (const [name, { canvas, find, unit }] of this.rows) {
      const channel = channels?.[name];
      const last = channel ? drawSignal(canvas, channel, positionS) : NaN;
      if (!channel) fit(canvas);
      find("value").textContent = Number.isFinite(last) ? `${last.toPrecision(3).replace("-", "−")} ${unit}` : unit;
    }
  }

  // Shows what the last answer says of each channel; null where there is none yet.
  showQuality(quality) {
    for (const [name, { row, find }] of this.rows) {
      const score = quality?.[name] ?? null;
      const meter = find("meter");
      row.classList.toggle("poor", score !== null && score < LEAST_QUALITY);
      meter.firstElementChild.style.width = `${100 * (score ?? 0)}%`;
      find("score").textContent = score === null ? "–" : score.toFixed(2);
      if (score === null) meter.removeAttribute("aria-valuenow");
      else meter.setAttribute("aria-valuenow", score.toFixed(2));
    }
  }
}

// Draws the stretch before `positionS`, lowest to highest in each column of pixels, and returns its last sample.
function drawSignal(canvas, { rateHz, samples }, positionS) {
  const { context, width, height } = fit(canvas);
  const stop = Math.min(samples.length, Math.floor(positionS * rateHz + 1e-6));
  const fromS = positionS - SHOWN_S;
  const first = Math.max(0, Math.ceil(fromS * rateHz));
  const [low, high] = bounds(samples, first, stop);
  if (!(low <= high)) return NaN;
  const pad = 4;
  const scale = (height - 2 * pad) / (high - low || 1);
  const y = (value) => (high === low ? height / 2 : pad + (high - value) * scale);
  const x = (k) => ((k / rateHz - fromS) / SHOWN_S) * width;
  context.strokeStyle = color("signal");
  context.lineWidth = 1.2;
  context.lineJoin = "round";
  context.beginPath();
  if ((rateHz * SHOWN_S) / width < 3) drawPoints(context, samples, first, stop, x, y);
  else drawColumns(context, samples, first, stop, x, y);
  context.stroke();
  return stop > 0 ? samples[stop - 1] : NaN;
}

function bounds(samples, first, stop) {
  let low = Infinity;
  let high = -Infinity;
  for (let k = first; k < stop; k += 1) {
    if (samples[k] < low) low = samples[k];
    if (samples[k] > high) high = samples[k];
  }
  return [low, high];
}

function drawPoints(context, samples, first, stop, x, y) {
  let joined = false;
  for (let k = first; k < stop; k += 1) {
    const there = Number.isFinite(samples[k]);
    if (there && joined) context.lineTo(x(k), y(samples[k]));
    else if (there) context.moveTo(x(k), y(samples[k]));
    joined = there;
  }
}

function drawColumns(context, samples, first, stop, x, y) {
  let k = first;
  let joined = false;
  while (k < stop) {
    const column = Math.floor(x(k));
    let low = Infinity;
    let high = -Infinity;
    for (; k < stop && Math.floor(x(k)) === column; k += 1) {
      if (samples[k] < low) low = samples[k];
      if (samples[k] > high) high = samples[k];
    }
    const there = low <= high;
    if (there && joined) context.lineTo(column + 0.5, y(high));
    else if (there) context.moveTo(column + 0.5, y(high));
    if (there) context.lineTo(column + 0.5, y(low));
    joined = there;
  }
}
