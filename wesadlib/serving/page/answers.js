// What was answered: the last answer in large letters, the counts, and a table of all of them.

import { stateColor } from "./canvas.js";
import { clock, milliseconds, percent, reasonWords, stateWords } from "./words.js";

const MOST_ROWS = 300;
const ANNOUNCE_EVERY_MS = 3000;

// An answer as the page says it: its kind, a heading, and a sentence beside it.
function describe(answer, model) {
  if (answer.status === "rejected") {
    const reasons = answer.reasons.map(reasonWords).join("; ");
    return { kind: "refused", heading: "Refused", because: `Signal too poor. ${reasons}` };
  }
  const most = `${stateWords(answer.state)} is the most likely at ${percent(answer.confidence)}`;
  if (answer.abstained) {
    const needed = percent(model.min_confidence);
    return { kind: "unsure", heading: "Does not know", because: `${most}; ${needed} are needed.` };
  }
  const heading = stateWords(answer.state);
  return { kind: "known", heading, because: `${percent(answer.confidence)} probable` };
}

export class Answers {
  constructor(find) {
    this.find = find;
    this.model = null;
    this.reset(null);
  }

  reset(model) {
    this.model = model;
    this.counts = { all: 0, unsure: 0, refused: 0 };
    this.announced = { words: "", at: -Infinity };
    this.find("answers").replaceChildren();
    this.find("latency").textContent = "–";
    this.showCounts();
    this.show("none", "No answer yet", "The first comes after one whole window.", "");
  }

  // Takes a prediction; `seenMs` is the time from its last sample's leaving to its arrival.
  add(prediction, seenMs) {
    const { answer, start_s: startS, end_s: endS, latency_ms: serverMs } = prediction;
    const { kind, heading, because } = describe(answer, this.model);
    const window = `${clock(startS)}–${clock(endS)}`;
    const swatch = kind === "known" ? stateColor(answer.state) : "";
    this.counts.all += 1;
    if (kind in this.counts) this.counts[kind] += 1;
    this.showCounts();
    this.show(kind, heading, `${because}${kind === "known" ? `, from ${window}` : ""}`, swatch);
    this.find("latency").textContent = milliseconds(seenMs ?? serverMs);
    this.find("latency").title = `${milliseconds(serverMs)} of it in the server`;
    const confidence = answer.confidence === null ? "–" : percent(answer.confidence);
    this.addRow(prediction, [window, heading, confidence, kind === "known" ? "" : because], kind, swatch);
    this.announce(kind === "known" ? heading : `${heading}. ${because}`);
  }

  show(kind, heading, because, swatch) {
    const card = this.find("now");
    card.className = `answer ${kind}`;
    card.querySelector(".swatch").style.background = swatch;
    this.find("state").textContent = heading;
    this.find("because").textContent = because;
  }

  showCounts() {
    this.find("count").textContent = this.counts.all;
    this.find("count-unsure").textContent = this.counts.unsure;
    this.find("count-refused").textContent = this.counts.refused;
  }

  addRow({ start_s: startS, answer }, cells, kind, swatch) {
    const row = document.createElement("tr");
    row.className = kind;
    row.dataset.start = startS;
    for (const [name, share] of Object.entries(answer.probabilities ?? {})) row.dataset[name] = share.toFixed(4);
    cells.forEach((words, k) => {
      const cell = row.insertCell();
      if (k === 1) {
        const mark = document.createElement("span");
        mark.className = "swatch";
        mark.style.background = swatch;
        cell.append(mark);
      }
      cell.append(words);
    });
    const body = this.find("answers");
    body.prepend(row);
    if (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
  }

  // To a screen reader: what is new, and not more often than can be listened to.
  announce(words) {
    const now = performance.now();
    if (words === this.announced.words || now - this.announced.at < ANNOUNCE_EVERY_MS) return;
    this.announced = { words, at: now };
    this.find("live").textContent = words;
  }
}
