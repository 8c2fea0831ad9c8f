// What was answered: the last answer in large letters, the counts, and a table of all of them.
import { stateColor } from "./charts.js";
import { clock, confidenceWords, milliseconds, percent, reasonsWords, sentence } from "./words.js";

const MOST_ROWS = 300;
const ANNOUNCE_EVERY_MS = 3000;

// An answer as the page says it: its kind, a heading, a sentence beside it, and the note of its row.
function describe(answer, model) {
  if (answer.status === "rejected") {
    const reasons = reasonsWords(answer.reasons);
    return { kind: "refused", heading: "Refused", because: reasons, note: reasons };
  }
  const state = sentence(answer.state);
  const share = confidenceWords(answer);
  if (answer.abstained) {
    if (answer.reasons.includes("exertion")) {
      const because = "The wrist moves as in exercise, which drives heart and skin as stress does.";
      return { kind: "unsure", heading: "Does not know", because, note: "exertion" };
    }
    const because = `${state} is the most likely at ${share}; ${percent(model.min_confidence)} are needed.`;
    return { kind: "unsure", heading: "Does not know", because, note: `most likely ${state}` };
  }
  const calibrated = answer.protocol === "rest_calibrated" ? ", calibrated by rest" : "";
  return { kind: "known", heading: state, because: `${share} probable${calibrated}`, note: "" };
}

export function span(name, words, background = "") {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = words;
  element.style.background = background;
  return element;
}

export class Answers {
  constructor(find) {
    this.find = find;
  }

  reset(model) {
    this.model = model;
    this.counts = { all: 0, unsure: 0, refused: 0 };
    this.announced = { words: "", at: -Infinity };
    this.find("answers").replaceChildren();
    this.show("none", "No answer yet", "The first comes after one whole window.", "", "–");
  }

  // Takes a prediction; `seenMs` is the time from its last sample's leaving to its arrival.
  add({ answer, start_s: startS, end_s: endS, latency_ms: serverMs }, seenMs) {
    const { kind, heading, because, note } = describe(answer, this.model);
    const window = `${clock(startS)}–${clock(endS)}`;
    const swatch = kind === "known" ? stateColor(answer.state) : "";
    this.counts.all += 1;
    if (kind in this.counts) this.counts[kind] += 1;
    const latency = [milliseconds(seenMs ?? serverMs), `, ${milliseconds(serverMs)} in the server`];
    this.show(kind, heading, `${because}${kind === "known" ? `, from ${window}` : ""}`, swatch, ...latency);
    const row = document.createElement("tr");
    row.className = kind;
    row.dataset.start = startS;
    const shares = Object.entries(answer.probabilities ?? {});
    row.title = shares.map(([state, share]) => `${state} ${share.toFixed(3)}`).join(", ");
    row.insertCell().textContent = window;
    row.insertCell().append(span("swatch", "", swatch), heading, span("note", note));
    row.insertCell().textContent = confidenceWords(answer);
    const body = this.find("answers");
    body.prepend(row);
    if (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
    this.announce(kind === "known" ? heading : `${heading}. ${because}`);
  }

  show(kind, heading, because, swatch, latency, inServer = "") {
    const { all: count, unsure, refused } = this.counts;
    const words = { state: heading, because, count, "count-unsure": unsure, "count-refused": refused, latency };
    for (const [id, word] of Object.entries({ ...words, "latency-server": inServer })) this.find(id).textContent = word;
    this.find("now").className = `answer ${kind}`;
    this.find("now").querySelector(".swatch").style.background = swatch;
  }

  // To a screen reader: what is new, and not more often than can be listened to.
  announce(words) {
    const now = performance.now();
    if (words === this.announced.words || now - this.announced.at < ANNOUNCE_EVERY_MS) return;
    this.announced = { words, at: now };
    this.find("live").textContent = words;
  }
}
