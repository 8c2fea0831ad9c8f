// Files become recordings: named channels of samples at their own rates, in memory and nowhere else.

import { decode } from "./msgpack.js";

const ARRAYS = { "<f4": Float32Array, "<f8": Float64Array };

// What is wrong with a file, in one sentence.
export class FileError extends Error {}

function unpack(name, channel) {
  const type = ARRAYS[channel.dtype];
  if (!type) throw new FileError(`${name}: dtype must be "<f4" or "<f8".`);
  const { samples } = channel;
  if (!(samples instanceof Uint8Array) || samples.length % type.BYTES_PER_ELEMENT)
    throw new FileError(`${name}: samples must be the bytes of whole numbers of that dtype.`);
  // Copied: an array of doubles must begin at a multiple of eight bytes, which these may not.
  return new type(samples.slice().buffer);
}

function list(name, samples) {
  if (!Array.isArray(samples)) throw new FileError(`${name}: samples must be a list of numbers.`);
  return Float64Array.from(samples, (sample) => {
    if (sample === null) return NaN;
    if (typeof sample !== "number") throw new FileError(`${name}: a sample must be a number, or null where it is missing.`);
    return sample;
  });
}

function fromBody(body) {
  const given = body?.channels;
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new FileError('The file has no "channels"; it needs the form of a request to /predict.');
  const channels = {};
  for (const [name, channel] of Object.entries(given)) {
    const rateHz = channel?.rate_hz;
    if (!(rateHz > 0)) throw new FileError(`${name}: rate_hz must be a number above 0.`);
    const samples = "dtype" in channel ? unpack(name, channel) : list(name, channel.samples);
    channels[name] = { rateHz, samples };
  }
  return channels;
}

function fromTable(text, rateHz) {
  if (!(rateHz > 0)) throw new FileError("A CSV file needs its rate, in samples a second.");
  const [head, ...rows] = text.split(/\r?\n/).filter((line) => line.trim());
  const names = (head ?? "").split(",").map((name) => name.trim());
  const channels = {};
  for (const name of names) channels[name] = { rateHz, samples: new Float64Array(rows.length) };
  rows.forEach((row, k) => {
    const cells = row.split(",");
    names.forEach((name, column) => {
      const cell = (cells[column] ?? "").trim();
      channels[name].samples[k] = cell ? Number(cell) : NaN;
    });
  });
  return channels;
}

function parse(bytes, fileName, rateHz) {
  if (/\.csv$/i.test(fileName)) return fromTable(new TextDecoder().decode(bytes), rateHz);
  // A JSON body begins with a brace, a MessagePack body never does.
  const first = bytes.find((byte) => byte > 0x20);
  try {
    return fromBody(first === 0x7b ? JSON.parse(new TextDecoder().decode(bytes)) : decode(bytes));
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError("The file is neither whole JSON nor whole MessagePack.");
  }
}

// A recording: `channels` by name, each `{ rateHz, samples }`, and `durationS`.
export function readRecording(bytes, fileName = "", rateHz = 0) {
  const channels = parse(bytes, fileName, rateHz);
  const names = Object.keys(channels);
  if (!names.length) throw new FileError("The file has no channel.");
  const durationS = Math.max(...names.map((name) => channels[name].samples.length / channels[name].rateHz));
  return { channels, durationS };
}

// Says what keeps a model from reading a recording; empty where nothing does.
export function misfit(recording, model) {
  const wanted = Object.keys(model.channels);
  const missing = wanted.filter((name) => !(name in recording.channels));
  if (missing.length) return `The file lacks ${missing.join(", ")}; this model needs ${wanted.join(", ")}.`;
  if (recording.durationS < model.window_s) return `The file is shorter than one window of ${model.window_s} s.`;
  return "";
}

// An array as MessagePack carries it.
export function toBytes(samples) {
  const dtype = samples instanceof Float32Array ? "<f4" : "<f8";
  return { dtype, samples: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength) };
}

// The first minutes of a recording as windows of a request, each half over the last, without those in which a sample is
// missing.
export function firstWindows(recording, names, windowS, minutes) {
  const found = [];
  for (let startS = 0; startS + windowS <= Math.min(60 * minutes, recording.durationS); startS += windowS / 2) {
    const channels = {};
    for (const name of names) {
      const { rateHz, samples } = recording.channels[name];
      const first = Math.round(startS * rateHz);
      const cut = samples.subarray(first, first + Math.round(windowS * rateHz));
      if (cut.every(Number.isFinite)) channels[name] = { rate_hz: rateHz, ...toBytes(cut) };
    }
    if (Object.keys(channels).length === names.length) found.push({ channels });
  }
  return found;
}

// The stretch of a channel from `first` to before `stop` in runs without missing samples: `[{ first, samples }]`.
export function runs(samples, first, stop) {
  const found = [];
  let start = -1;
  for (let k = first; k <= stop; k += 1) {
    const there = k < stop && Number.isFinite(samples[k]);
    if (there && start < 0) start = k;
    if (!there && start >= 0) {
      found.push({ first: start, samples: samples.subarray(start, k) });
      start = -1;
    }
  }
  return found;
}
