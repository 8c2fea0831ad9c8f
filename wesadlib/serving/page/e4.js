// A session of an Empatica E4 as its maker's site exports it: a zip of tables, each with its start and its rate first.
/* global fflate */
import { FileError } from "./recording.js";

const CHANNELS = { BVP: [""], EDA: [""], TEMP: [""], ACC: ["_x", "_y", "_z"] };
const COUNTS_PER_G = 64;
// Two days have 0.1 GB: what claims more is no recording.
const LARGEST_FILE = 2 ** 29;

export const isZip = (bytes) => bytes[0] === 0x50 && bytes[1] === 0x4b;

// The tables of a zip, and of zips in it, by their path.
function unzip(bytes, depth = 2) {
  const wanted = ({ name, originalSize }) => {
    if (!/(^|[/_])((ACC|BVP|EDA|TEMP)\.csv|[^/]+\.zip)$/i.test(name) || /(^|\/)(__MACOSX|\._)/.test(name)) return false;
    if (originalSize > LARGEST_FILE) throw new FileError(`${name} is no recording: it has over 512 MiB.`);
    return true;
  };
  const open = ([name, content]) => (depth > 1 && isZip(content) ? unzip(content, depth - 1) : [[name, content]]);
  try {
    return Object.entries(fflate.unzipSync(bytes, { filter: wanted })).flatMap(open);
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(`The zip is not whole, or locked by a password (${error.message}); export or copy it again.`);
  }
}

function readTable(name, content, width) {
  const lines = new TextDecoder().decode(content).trimEnd().split(/\r\n?|\n/);
  const [start, rateHz] = lines.splice(0, 2).map((line) => line.split(",")[0].trim());
  const startS = Number.isFinite(Number(start)) ? Number(start) : Date.parse(`${start.replace(" ", "T")}Z`) / 1000;
  if (!(rateHz > 0 && rateHz <= 1000 && Number.isFinite(startS)))
    throw new FileError(`${name}: the first two lines are not the start and the rate in Hz.`);
  // The last line of a table may have been cut off.
  if (lines.at(-1)?.split(",").length < width) lines.pop();
  const rows = lines.map((line, k) => {
    const cells = line.split(",");
    const row = cells.map((cell) => (cell.trim() ? Number(cell) : NaN));
    if (row.length === width && row.every(Number.isFinite)) return row;
    throw new FileError(`${name}: line ${k + 3} is “${line.slice(0, 40)}”, and has to be ${width} number(s).`);
  });
  return { startS, rateHz: Number(rateHz), rows, endS: startS + rows.length / rateHz };
}

// A recording as `readRecording` gives it: one clock for all channels, null where one has no sample.
export function readE4(bytes) {
  const tables = {};
  for (const [name, content] of unzip(bytes)) {
    const kind = /(ACC|BVP|EDA|TEMP)\.csv$/i.exec(name)?.[1].toUpperCase();
    if (kind in tables) throw new FileError(`The zip has ${kind}.csv twice: pick the export of one session.`);
    if (kind) tables[kind] = readTable(name, content, CHANNELS[kind].length);
  }
  if (!tables.BVP) throw new FileError("The zip has no BVP.csv; an export of an E4 has BVP, EDA, TEMP and ACC.");
  const beginS = Math.min(...Object.values(tables).map(({ startS }) => startS));
  const durationS = Math.max(...Object.values(tables).map(({ endS }) => endS)) - beginS;
  const channels = {};
  for (const [kind, { startS, rateHz, rows }] of Object.entries(tables))
    CHANNELS[kind].forEach((axis, column) => {
      const samples = new Array(Math.max(1, Math.round(durationS * rateHz))).fill(null);
      const first = Math.max(0, Math.min(Math.round((startS - beginS) * rateHz), samples.length - rows.length));
      const scale = kind === "ACC" ? COUNTS_PER_G : 1;
      rows.slice(0, samples.length).forEach((row, k) => (samples[first + k] = row[column] / scale));
      channels[`wrist_${kind.toLowerCase()}${axis}`] = { rateHz, samples };
    });
  return { channels, durationS };
}
