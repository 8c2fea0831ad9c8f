// Probabilities over the recording, and under them what was answered.

import { color, fit, hatch, marks, stateColor } from "./canvas.js";
import { clock } from "./words.js";

const SHOWN_S = 1200;
const LEFT = 44;
const RIGHT = 10;
const TOP = 8;
const STRIP = 16;
const BELOW = 18;

export class Timeline {
  constructor(canvas) {
    this.canvas = canvas;
    this.reset(null, 240, 5);
  }

  reset(model, durationS, hopS) {
    this.model = model;
    this.durationS = durationS;
    this.hopS = hopS;
    this.predictions = [];
    this.draw(0);
  }

  add(prediction) {
    this.predictions.push(prediction);
  }

  draw(positionS) {
    const { context, width, height } = fit(this.canvas);
    const fromS = Math.max(0, Math.min(positionS, this.durationS) - SHOWN_S);
    const toS = Math.min(this.durationS, fromS + SHOWN_S);
    const bottom = height - BELOW - STRIP - 8;
    const x = (time) => LEFT + ((time - fromS) / (toS - fromS)) * (width - LEFT - RIGHT);
    const y = (share) => TOP + (1 - share) * (bottom - TOP);
    const shown = this.predictions.filter((prediction) => prediction.end_s > fromS);
    drawFrame(context, { x, y, width, height, bottom, fromS, toS });
    if (this.model) drawThreshold(context, y(this.model.min_confidence), width);
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, width - LEFT, height);
    context.clip();
    for (const state of this.model?.states ?? []) drawState(context, shown, state, x, y);
    for (const prediction of shown) this.drawAnswer(context, prediction, x, bottom + 8);
    if (positionS > 0) drawPosition(context, x(positionS), bottom + 8 + STRIP);
    context.restore();
  }

  drawAnswer(context, { end_s: endS, answer }, x, top) {
    const left = x(endS - this.hopS);
    const width = Math.max(1, x(endS) - left - 0.5);
    if (answer.status === "rejected") {
      context.strokeStyle = color("ink");
      context.lineWidth = 1;
      context.strokeRect(left + 0.5, top + 0.5, Math.max(0.5, width - 1), STRIP - 1);
      return;
    }
    if (answer.abstained) hatch(context, left, top, width, STRIP, color("muted"));
    else {
      context.fillStyle = stateColor(answer.state);
      context.fillRect(left, top, width, STRIP);
    }
  }
}

function drawFrame(context, { x, y, width, height, bottom, fromS, toS }) {
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const share of [0, 0.5, 1]) {
    context.strokeStyle = color("line");
    context.beginPath();
    context.moveTo(LEFT, Math.round(y(share)) + 0.5);
    context.lineTo(width - RIGHT, Math.round(y(share)) + 0.5);
    context.stroke();
    context.fillStyle = color("muted");
    context.fillText(`${100 * share} %`, LEFT - 6, y(share));
  }
  context.textBaseline = "alphabetic";
  context.textAlign = "center";
  for (const time of marks(fromS, toS, Math.max(2, Math.floor((width - LEFT) / 70)))) {
    const at = Math.min(Math.max(x(time), LEFT), width - RIGHT - 8);
    context.fillText(clock(time), at, height - 3);
  }
}

function drawThreshold(context, y, width) {
  context.save();
  context.setLineDash([4, 4]);
  context.strokeStyle = color("ink");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(LEFT, Math.round(y) + 0.5);
  context.lineTo(width - RIGHT, Math.round(y) + 0.5);
  context.stroke();
  context.restore();
}

function drawState(context, predictions, state, x, y) {
  context.strokeStyle = stateColor(state);
  context.fillStyle = context.strokeStyle;
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  let joined = false;
  const alone = [];
  predictions.forEach(({ end_s: endS, answer }, k) => {
    const share = answer.probabilities?.[state];
    if (share === undefined) {
      joined = false;
      return;
    }
    if (joined) context.lineTo(x(endS), y(share));
    else context.moveTo(x(endS), y(share));
    if (!joined && !predictions[k + 1]?.answer.probabilities) alone.push([x(endS), y(share)]);
    joined = true;
  });
  context.stroke();
  // One answer between two refusals, or the very first, is no line.
  for (const [left, top] of alone) {
    context.beginPath();
    context.arc(left, top, 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}

function drawPosition(context, x, bottom) {
  context.strokeStyle = color("muted");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(Math.round(x) + 0.5, TOP);
  context.lineTo(Math.round(x) + 0.5, bottom);
  context.stroke();
}
