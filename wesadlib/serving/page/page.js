// The live page: what its controls do.

import { Answers } from "./answers.js";
import { stateColor } from "./canvas.js";
import { FileError, firstWindows, misfit, readRecording } from "./recording.js";
import { Replay } from "./replay.js";
import { fetchExample, fetchModel, keepRest, Refused, streamUrl } from "./server.js";
import { Signals } from "./signals.js";
import { Stream } from "./stream.js";
import { Timeline } from "./timeline.js";
import { clock, percent, stateWords } from "./words.js";

const find = (id) => document.getElementById(id);
const answers = new Answers(find);
const signals = new Signals(find("signals"), find("signal-row"));
const timeline = new Timeline(find("timeline"));
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

const TICK_MS = 100;
const STILL_MS = 1000;
// A server gives up a stream that is silent for minutes.
const ALIVE_MS = 60_000;

let model = null;
let replay = null;
let stream = null;
// "idle", "starting", "running", "paused" or "lost".
let phase = "idle";
let ended = false;
let tickedAt = 0;
let drawnAt = 0;
let aliveAt = 0;

function enter(next, words) {
  phase = next;
  const busy = next !== "idle";
  find("start").disabled = busy;
  find("pause").disabled = next !== "running" && next !== "paused";
  find("pause").textContent = next === "paused" ? "Go on" : "Pause";
  find("stop").disabled = !busy;
  for (const id of ["source", "file", "rate", "hop", "token", "person", "minutes", "rest"]) find(id).disabled = busy;
  find("status").textContent = words;
  document.body.dataset.phase = next;
}

function showProblem(words) {
  find("problem").textContent = words;
  find("problem").hidden = !words;
}

function say(error) {
  if (error instanceof Refused && error.status === 401) askForToken();
  else if (error instanceof Refused || error instanceof FileError) showProblem(error.message);
  else throw error;
}

function askForToken() {
  find("more").open = true;
  find("token").focus();
  showProblem(find("token").value ? "The server does not know this token." : "This server asks for a token: enter it, then start.");
}

function legend(states) {
  const entries = states.map((state) => [stateWords(state), "swatch", stateColor(state)]);
  entries.push([`confidence needed, ${percent(model.min_confidence)}`, "dashes", ""]);
  entries.push(["does not know", "swatch unsure", ""], ["refused", "swatch refused", ""]);
  const items = entries.map(([words, mark, colour]) => {
    const item = document.createElement("li");
    const sample = document.createElement("span");
    sample.className = mark;
    sample.style.background = colour;
    item.append(sample, words);
    return item;
  });
  find("legend").replaceChildren(...items);
}

function describeModel() {
  const { subjects, simulated } = model.data;
  const people = simulated ? `${subjects} simulated people, so that it says nothing about real ones` : `${subjects} people`;
  const version = model.version.slice(0, 12);
  const reads = `The model “${model.model}” reads windows of ${model.window_s} s from the ${model.device}`;
  return `${reads}; it has learnt from ${people}. Version ${version}.`;
}

async function readModel() {
  model = await fetchModel(find("token").value);
  signals.build(model.channels);
  timeline.reset(model, 240, Number(find("hop").value));
  legend(model.states);
  find("model").textContent = describeModel();
  find("minutes-field").hidden = !model.rest;
}

async function readSource() {
  if (find("source").value === "example") return readRecording(await fetchExample(find("token").value));
  const file = find("file").files[0];
  if (!file) throw new FileError("Pick a file first.");
  return readRecording(new Uint8Array(await file.arrayBuffer()), file.name, Number(find("rate").value));
}

async function start() {
  showProblem("");
  enter("starting", "Reading the recording …");
  try {
    await readModel();
    const recording = await readSource();
    const wrong = misfit(recording, model);
    if (wrong) throw new FileError(wrong);
    begin(recording, await readRest(recording));
  } catch (error) {
    enter("idle", "Ready.");
    say(error);
  }
}

// The handle of the person's rest: of the recording's first minutes, or the one that was entered; empty for none.
async function readRest(recording) {
  const minutes = find("minutes-field").hidden ? 0 : Number(find("minutes").value);
  if (!minutes) return find("rest").value;
  find("status").textContent = "Reading the rest …";
  const windows = firstWindows(recording, Object.keys(model.channels), model.window_s, minutes);
  const person = find("person").value || "page";
  return (await keepRest(find("token").value, person, windows)).rest;
}

function begin(recording, rest) {
  const hopS = Number(find("hop").value);
  const names = Object.keys(model.channels);
  replay = new Replay(recording, names, model.window_s, hopS);
  replay.speed = Number(find("speed").value);
  answers.reset(model);
  timeline.reset(model, recording.durationS, hopS);
  const channels = Object.fromEntries(names.map((name) => [name, { rate_hz: recording.channels[name].rateHz }]));
  const opening = { channels, hop_s: hopS };
  if (find("person").value) opening.person = find("person").value;
  if (rest) opening.rest = rest;
  enter("starting", "Connecting …");
  stream = new Stream(streamUrl(), find("token").value, opening, { ready, prediction, lost, closed });
}

function ready(message, resumed) {
  replay.resume(message.next);
  ended = false;
  showProblem("");
  if (!resumed) tickedAt = performance.now();
  enter(resumed && wasPaused ? "paused" : "running", "");
}

let wasPaused = false;

function prediction(message) {
  answers.add(message, replay.sinceSent(message.start_s));
  timeline.add(message);
  signals.showQuality(message.answer.quality);
}

function lost(words, leftS) {
  if (phase !== "lost") wasPaused = phase === "paused";
  enter("lost", `Connection lost: ${words}. Going on from there when it is back, for ${Math.ceil(leftS)} s more.`);
}

async function closed(words, neverReady) {
  draw();
  enter("idle", words ? "Stopped." : `The recording has ended, ${clock(replay.durationS)}.`);
  if (!words) return;
  if (neverReady) {
    // A refused handshake tells a page nothing; an ordinary request gives the reason.
    try {
      await fetchModel(find("token").value);
    } catch (error) {
      say(error);
      return;
    }
  }
  showProblem(`${words.charAt(0).toUpperCase()}${words.slice(1)}.`.replace(/\.\.$/, "."));
}

function stop() {
  stream?.close();
  enter("idle", "Stopped.");
}

function tick() {
  const now = performance.now();
  const elapsedS = (now - tickedAt) / 1000;
  tickedAt = now;
  if (phase === "running" && stream.open) {
    replay.tick(elapsedS, stream);
    if (replay.finished && !ended) {
      ended = true;
      stream.send({ type: "end" });
    }
  }
  if (phase === "running") aliveAt = now;
  if (phase === "paused" && now - aliveAt > ALIVE_MS) {
    aliveAt = now;
    stream.send({ type: "samples", channels: {} });
  }
  if (replay && (phase === "running" || phase === "paused")) showProgress();
  if (phase === "running" && now - drawnAt >= (still.matches ? STILL_MS : TICK_MS)) draw();
}

function showProgress() {
  const speed = replay.actualSpeed;
  const slower = speed < replay.speed ? ", as fast as the server takes it" : "";
  const pace = speed === 1 ? "in real time" : `at ${speed < 10 ? Number(speed.toFixed(1)) : Math.round(speed)} ×${slower}`;
  const verb = phase === "paused" ? "Paused at" : "Playing";
  find("status").textContent = `${verb} ${clock(replay.positionS)} of ${clock(replay.durationS)}, ${pace}.`;
}

function draw() {
  drawnAt = performance.now();
  signals.draw(replay?.channels, replay?.positionS ?? 0);
  timeline.draw(replay?.positionS ?? 0);
}

function chooseSource() {
  const own = find("source").value === "file";
  const name = find("file").files[0]?.name ?? "";
  find("file-field").hidden = !own;
  find("rate-field").hidden = !own || !/\.csv$/i.test(name);
  find("whose").textContent = own ? "Your file." : "Simulated person.";
  find("kept").textContent = own ? "It is sent to this server only, and not stored there." : "";
}

find("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  if (phase === "idle") start();
});
// What is wrong with a field that is folded away would not be seen.
find("controls").addEventListener("invalid", () => (find("more").open = true), true);
find("pause").addEventListener("click", () => enter(phase === "paused" ? "running" : "paused", ""));
find("stop").addEventListener("click", stop);
find("speed").addEventListener("change", () => {
  if (replay) replay.speed = Number(find("speed").value);
});
for (const id of ["source", "file"]) find(id).addEventListener("change", chooseSource);
window.addEventListener("resize", draw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (model) legend(model.states);
  draw();
});
setInterval(tick, TICK_MS);
chooseSource();
readModel()
  .then(() => {
    enter("idle", "Ready.");
    draw();
  })
  .catch((error) => {
    enter("idle", "Not ready.");
    say(error);
  });
