// A recording as a device would send it: a clock, and what has been sent by it.

import { runs, toBytes } from "./recording.js";

// A server refuses a stream that is faster for long, and a chest at 60 times its speed would be.
const MOST_SAMPLES_PER_S = 400_000;
// More than this in the browser's own queue: the network is slower than the replay.
const MOST_WAITING = 2 ** 20;
// A tab in the background ticks once a second.
const LONGEST_TICK_S = 1.0;

export class Replay {
  constructor(recording, names, windowS, hopS) {
    this.channels = Object.fromEntries(names.map((name) => [name, recording.channels[name]]));
    this.durationS = recording.durationS;
    this.windowS = windowS;
    this.hopS = hopS;
    this.speed = 1;
    this.positionS = 0;
    this.next = Object.fromEntries(names.map((name) => [name, 0]));
    this.due = new Map();
    this.windows = 0;
    const rate = names.reduce((sum, name) => sum + this.channels[name].rateHz, 0);
    this.fastest = MOST_SAMPLES_PER_S / rate;
  }

  // How fast it goes: as asked, or as fast as the server takes it.
  get actualSpeed() {
    return Math.min(this.speed, this.fastest);
  }

  // Goes on from the first samples that the server still wants.
  resume(next) {
    for (const name of Object.keys(this.next)) this.next[name] = next[name] ?? this.next[name];
  }

  get finished() {
    return Object.entries(this.channels).every(([name, { samples }]) => this.next[name] >= samples.length);
  }

  // Lets time pass and sends what is due.
  tick(elapsedS, stream) {
    if (stream.waiting > MOST_WAITING) return;
    const elapsed = Math.min(elapsedS, LONGEST_TICK_S);
    this.positionS = Math.min(this.positionS + elapsed * this.actualSpeed, this.durationS);
    this.send(stream, elapsed * this.fastest);
    this.note();
  }

  // Sends up to the clock, but no more seconds of signal than `mostS`; one message a run without missing samples.
  send(stream, mostS) {
    const messages = [];
    for (const [name, { rateHz, samples }] of Object.entries(this.channels)) {
      const first = this.next[name];
      const untilS = Math.min(this.positionS, first / rateHz + mostS);
      const stop = Math.min(Math.max(first, Math.floor(untilS * rateHz + 1e-6)), samples.length);
      runs(samples, first, stop).forEach((run, k) => {
        messages[k] ??= {};
        messages[k][name] = packed(run);
      });
      this.next[name] = stop;
    }
    for (const channels of messages) stream.send({ type: "samples", channels });
  }

  // Notes when the last sample of a window left.
  note() {
    const sentS = Math.min(...Object.entries(this.channels).map(([name, { rateHz }]) => this.next[name] / rateHz));
    while (this.windows * this.hopS + this.windowS <= sentS + 1e-6) {
      this.due.set(this.windows, performance.now());
      this.windows += 1;
    }
  }

  // Milliseconds since the last sample of the window that began then; null where that is not known.
  sinceSent(startS) {
    const window = Math.round(startS / this.hopS);
    const sent = this.due.get(window);
    this.due.delete(window);
    return sent === undefined ? null : performance.now() - sent;
  }
}

function packed({ first, samples }) {
  return { first, ...toBytes(samples) };
}
