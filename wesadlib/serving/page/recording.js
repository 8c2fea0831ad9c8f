// Files become recordings, named channels of samples at their own rates, and are replayed as a device would send them.

// What is wrong with a file, in one sentence.
export class FileError extends Error {}

// More than this in the browser's own queue, in bytes: the network is slower than the replay.
const MOST_WAITING = 2 ** 20;
// Longest stretch in one message: a message is bounded.
const LONGEST_S = 10;

function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    const number = /[[,:]\s*([-+]?(?:NaN|Infinity|nan|inf))/.exec(text);
    if (!number) throw new FileError(`The file is not whole JSON: ${error.message}.`);
    const lines = text.slice(0, number.index + number[0].length - number[1].length).split("\n");
    const place = `line ${lines.length}, character ${lines.at(-1).length + 1}`;
    throw new FileError(`The file is not whole JSON: ${place} is ${number[1]}; a missing sample is null.`);
  }
}

// A recording: `channels` by name, each `{ rateHz, samples }`, null where a sample is missing, and `durationS`.
export function readRecording(text) {
  const body = parse(text)?.channels;
  if (typeof body !== "object" || body === null || Array.isArray(body) || !Object.keys(body).length)
    throw new FileError('The file has no "channels"; it needs the form of a request to /predict.');
  const channels = {};
  for (const [name, channel] of Object.entries(body)) {
    const { rate_hz: rateHz, samples } = channel ?? {};
    if (!(Number.isFinite(rateHz) && rateHz > 0)) throw new FileError(`${name}: rate_hz must be a number above 0.`);
    if (!Array.isArray(samples)) throw new FileError(`${name}: samples must be a list of numbers.`);
    const bad = samples.findIndex((sample) => sample !== null && !Number.isFinite(sample));
    if (bad >= 0) {
      const sample = JSON.stringify(samples[bad]).slice(0, 40);
      throw new FileError(`${name}, sample ${bad + 1}: ${sample} is no number; a missing sample is null.`);
    }
    channels[name] = { rateHz, samples };
  }
  const ends = Object.values(channels).map(({ rateHz, samples }) => samples.length / rateHz);
  return { channels, durationS: Math.max(...ends) };
}

// Says what keeps a model from reading a recording.
export function checkFit({ channels }, model) {
  const wanted = Object.keys(model.channels);
  const missing = wanted.filter((name) => !(name in channels));
  if (missing.length) throw new FileError(`The file lacks ${missing.join(", ")}; this model needs ${wanted.join(", ")}.`);
  for (const name of wanted) {
    const seconds = channels[name].samples.length / channels[name].rateHz;
    if (seconds < model.window_s)
      throw new FileError(`${name}: ${seconds.toFixed(1)} s are shorter than one window of ${model.window_s} s.`);
  }
}

// The first minutes as windows of a request, each half over the last, without those in which a sample is missing.
export function firstWindows({ channels, durationS }, names, windowS, minutes) {
  const windows = [];
  for (let startS = 0; startS + windowS <= Math.min(60 * minutes, durationS); startS += windowS / 2) {
    const cut = (name) => {
      const { rateHz, samples } = channels[name];
      const first = Math.round(startS * rateHz);
      return [name, { rate_hz: rateHz, samples: samples.slice(first, first + Math.round(windowS * rateHz)) }];
    };
    windows.push({ channels: Object.fromEntries(names.map(cut)) });
  }
  return windows.filter((window) => Object.values(window.channels).every(({ samples }) => !samples.includes(null)));
}

// A recording as a device would send it: a clock, and what has been sent by it.
export class Replay {
  constructor({ channels, durationS }, names, windowS, hopS) {
    this.channels = Object.fromEntries(names.map((name) => [name, channels[name]]));
    this.next = Object.fromEntries(names.map((name) => [name, 0]));
    // Window to when its last sample left.
    this.due = new Map();
    Object.assign(this, { durationS, windowS, hopS, speed: 1, fastest: 1, positionS: 0, windows: 0 });
  }

  // How fast it goes: as asked, or as fast as the server takes it.
  get actualSpeed() {
    return Math.min(this.speed, this.fastest);
  }

  // Goes on from the first samples that the server still wants, no faster than it takes them.
  resume({ next, samples_per_s: samplesPerS }) {
    Object.assign(this.next, next);
    const rate = Object.values(this.channels).reduce((sum, { rateHz }) => sum + rateHz, 0);
    this.fastest = (0.8 * samplesPerS) / rate;
    this.windows = Math.ceil(Math.min(...this.times()) / this.hopS);
    this.due.clear();
  }

  // Until when each channel was sent, s; one that has ended holds up no other.
  times() {
    const until = ([name, { rateHz, samples }]) =>
      this.next[name] < samples.length ? this.next[name] / rateHz : this.durationS;
    return Object.entries(this.channels).map(until);
  }

  get finished() {
    return Object.entries(this.channels).every(([name, { samples }]) => this.next[name] >= samples.length);
  }

  // Lets time pass and sends what is due; after a drop no faster than the server takes what it lacks.
  tick(elapsedS, stream) {
    if (stream.waiting > MOST_WAITING) return;
    this.positionS = Math.min(this.positionS + Math.min(elapsedS * this.actualSpeed, LONGEST_S), this.durationS);
    const untilS = Math.min(this.positionS, Math.min(...this.times()) + Math.min(elapsedS * this.fastest, LONGEST_S));
    const channels = {};
    for (const [name, { rateHz, samples }] of Object.entries(this.channels)) {
      const first = this.next[name];
      const stop = Math.min(Math.max(first, Math.floor(untilS * rateHz + 1e-6)), samples.length);
      if (stop > first) channels[name] = { first, samples: samples.slice(first, stop) };
      this.next[name] = stop;
    }
    if (Object.keys(channels).length) stream.send({ type: "samples", channels });
    const sentS = Math.min(...this.times());
    for (; this.windows * this.hopS + this.windowS <= sentS + 1e-6; this.windows += 1)
      if (this.holds(this.windows)) this.due.set(this.windows, performance.now());
  }

  // Whether a window has any sample: one without is not answered.
  holds(window) {
    return Object.values(this.channels).some(({ rateHz, samples }) => {
      const first = Math.round(window * this.hopS * rateHz);
      return samples.slice(first, first + Math.round(this.windowS * rateHz)).some((sample) => sample !== null);
    });
  }

  // Milliseconds since the last sample of the window that began then; null where that is not known.
  answered(startS) {
    const window = Math.round(startS / this.hopS);
    const sent = this.due.get(window);
    for (const earlier of [...this.due.keys()]) if (earlier <= window) this.due.delete(earlier);
    return sent === undefined ? null : performance.now() - sent;
  }

  // Since when an answer is due that has not come; infinity where none is.
  get overdueSince() {
    return Math.min(Infinity, ...this.due.values());
  }
}
