// The live page: what its controls do.
import { Answers, span } from "./answers.js";
import { Signals, stateColor, Timeline } from "./charts.js";
import { isZip, readE4 } from "./e4.js";
import { checkFit, FileError, firstWindows, readRecording, Replay } from "./recording.js";
import { Refused, request, Stream } from "./stream.js";
import { clock, percent, sentence } from "./words.js";

const find = (id) => document.getElementById(id);
const answers = new Answers(find);
const signals = new Signals(find("signals"), find("signal-row"));
const timeline = new Timeline(find("timeline"));

const TICK_MS = 100;
const DRAW_MS = window.matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 200;
// A server gives up a stream that is silent for minutes.
const ALIVE_MS = 60_000;
// An answer that is due and does not come: what is said so, and when the connection is given up.
const LATE_MS = 3000;
const LOST_MS = 15_000;

let model, replay, stream;
// "idle", "starting", "running", "paused" or "lost".
let [phase, paused, ended] = ["idle", false, false];
let tickedAt, drawnAt, aliveAt, heardAt;

function enter(next, words) {
  phase = next;
  const busy = next !== "idle";
  find("start").disabled = busy;
  find("pause").disabled = next !== "running" && next !== "paused";
  find("pause").textContent = next === "paused" ? "Go on" : "Pause";
  find("stop").disabled = !busy;
  for (const id of ["source", "file", "hop", "token", "person", "minutes", "rest"]) find(id).disabled = busy;
  find("status").textContent = words;
  document.body.dataset.phase = next;
  // A button that is switched off loses the focus: it goes to the one that comes next.
  const button = { running: "pause", paused: "pause", idle: "start", lost: "stop" }[next];
  if (button && (document.activeElement === document.body || document.activeElement.disabled)) find(button).focus();
}

function showProblem(words) {
  find("problem").textContent = words;
  find("problem").hidden = !words;
}

function say(error) {
  if (error instanceof Refused && error.status === 401) {
    find("more").open = true;
    find("token").focus();
    const given = find("token").value;
    showProblem(given ? "The server does not know this token." : "This server asks for a token: enter it, then start.");
  } else if (error instanceof Refused || error instanceof FileError) showProblem(error.message);
  else throw error;
}

function legend() {
  const entries = model.states.map((state) => [sentence(state), "swatch", stateColor(state)]);
  entries.push([`confidence needed, ${percent(model.min_confidence)}`, "dashes"], ["does not know", "swatch unsure"]);
  find("legend").replaceChildren();
  for (const [words, mark, colour] of [...entries, ["refused", "swatch refused"]])
    find("legend").appendChild(document.createElement("li")).append(span(mark, "", colour), words);
}

async function readModel() {
  model = await (await request("model", find("token").value)).json();
  signals.build(model.channels);
  timeline.reset(model, 240, Number(find("hop").value));
  timeline.draw(0);
  legend();
  const { subjects, simulated } = model.data;
  const people = simulated ? `${subjects} simulated people, so that it says nothing about real ones` : `${subjects} people`;
  const reads = `The model “${model.model}” reads windows of ${model.window_s} s from the ${model.device}`;
  find("model").textContent = `${reads}; it has learnt from ${people}. Version ${model.version.slice(0, 12)}.`;
  find("minutes-field").hidden = !model.rest;
}

async function readSource() {
  if (find("source").value === "example") return readRecording(await (await request("example", find("token").value)).text());
  const file = find("file").files[0];
  if (!file) throw new FileError("Pick a file first.");
  const bytes = new Uint8Array(await file.arrayBuffer());
  return isZip(bytes) ? readE4(bytes) : readRecording(new TextDecoder().decode(bytes));
}

// The token of the person's rest: of the recording's first minutes, or the one that was entered; empty for none.
async function readRest(recording) {
  const minutes = find("minutes-field").hidden ? 0 : Number(find("minutes").value);
  if (!minutes) return find("rest").value;
  find("status").textContent = "Reading the rest …";
  const windows = firstWindows(recording, Object.keys(model.channels), model.window_s, minutes);
  return (await (await request("rest", find("token").value, { windows })).json()).token;
}

async function start() {
  showProblem("");
  enter("starting", "Reading the recording …");
  try {
    await readModel();
    const recording = await readSource();
    checkFit(recording, model);
    begin(recording, await readRest(recording));
  } catch (error) {
    enter("idle", "Ready.");
    say(error);
  }
}

function begin(recording, rest) {
  const hopS = Number(find("hop").value);
  const names = Object.keys(model.channels);
  replay = new Replay(recording, names, model.window_s, hopS);
  replay.speed = Number(find("speed").value);
  paused = false;
  tickedAt = drawnAt = performance.now();
  answers.reset(model);
  timeline.reset(model, recording.durationS, hopS);
  const channels = Object.fromEntries(names.map((name) => [name, { rate_hz: recording.channels[name].rateHz }]));
  const person = find("person").value;
  const opening = { channels, hop_s: hopS, ...(person && { person }), ...(rest && { rest }) };
  enter("starting", "Connecting …");
  stream = new Stream(find("token").value, opening, { ready, prediction, lost, closed });
}

function ready(message) {
  replay.resume(message);
  ended = false;
  heardAt = new Date();
  enter(paused ? "paused" : "running", "");
}

function prediction(message) {
  heardAt = new Date();
  answers.add(message, replay.answered(message.start_s));
  timeline.predictions.push(message);
  signals.showQuality(message.answer.quality);
}

function lost(words) {
  const since = heardAt.toLocaleTimeString();
  find("live").textContent = "Connection lost.";
  enter("lost", `Connection lost: ${words}. Nothing has come from the server since ${since}; trying again …`);
}

function closed(words) {
  draw();
  enter("idle", words ? "Stopped." : `The recording has ended, ${clock(replay.durationS)}.`);
  if (words instanceof Error) say(words);
  else if (words) showProblem(`${sentence(words)}.`.replace(/\.\.$/, "."));
  else if (!answers.counts.all) showProblem("No answer came: no window of the recording holds a sample.");
}

function tick() {
  const now = performance.now();
  const elapsedS = (now - tickedAt) / 1000;
  tickedAt = now;
  if (phase !== "running" && phase !== "paused") return;
  if (phase === "running") {
    aliveAt = now;
    replay.tick(elapsedS, stream);
    if (replay.finished && !ended) {
      ended = true;
      stream.send({ type: "end" });
    }
  } else if (now - aliveAt > ALIVE_MS) {
    aliveAt = now;
    stream.send({ type: "samples", channels: {} });
  }
  const lateMs = now - replay.overdueSince;
  if (lateMs > LOST_MS) stream.renew("no answer comes");
  else showProgress(lateMs > LATE_MS ? ` Nothing has come from the server since ${heardAt.toLocaleTimeString()}.` : "");
  if (phase === "running" && now - drawnAt >= DRAW_MS) draw();
}

function showProgress(late) {
  const speed = replay.actualSpeed;
  const pace = speed === 1 ? "in real time" : `at ${speed < 10 ? Number(speed.toFixed(1)) : Math.round(speed)} ×`;
  const slower = speed < replay.speed ? ", as fast as the server takes it" : "";
  const place = `${phase === "paused" ? "Paused at" : "Playing"} ${clock(replay.positionS)} of ${clock(replay.durationS)}`;
  find("status").textContent = `${place}, ${pace}${slower}.${late}`;
  find("status").classList.toggle("late", Boolean(late));
}

function draw() {
  drawnAt = performance.now();
  signals.draw(replay.channels, replay.positionS);
  timeline.draw(replay.positionS);
}

function chooseSource() {
  const file = find("source").value === "file";
  find("file-field").hidden = !file;
  find("whose").textContent = file ? "Your file." : "Simulated person.";
  find("kept").textContent = file ? "It is sent to this server only, and not stored there." : "";
}

find("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  if (phase === "idle") start();
});
// What is wrong with a field that is folded away would not be seen.
find("controls").addEventListener("invalid", () => (find("more").open = true), true);
find("pause").addEventListener("click", () => enter((paused = !paused) ? "paused" : "running", ""));
find("stop").addEventListener("click", () => {
  stream?.close();
  enter("idle", "Stopped.");
});
find("speed").addEventListener("change", () => replay && (replay.speed = Number(find("speed").value)));
find("source").addEventListener("change", chooseSource);
setInterval(tick, TICK_MS);
chooseSource();
try {
  await readModel();
  find("status").textContent = "Ready.";
} catch (error) {
  find("status").textContent = "Not ready.";
  say(error);
}
