// What things are called on the page.

const SIGNALS = {
  ecg: "ECG", bvp: "Pulse wave", eda: "Skin conductance", emg: "Muscle", resp: "Breathing", temp: "Skin temperature",
  acc_x: "Acceleration x", acc_y: "Acceleration y", acc_z: "Acceleration z",
};
const UNITS = { uS: "µS", degC: "°C", percent: "%" };
const CLOSED = {
  1001: "the server is going away",
  1006: "the connection broke",
  1008: "the server refused what was sent",
  1009: "a message was too large for the server",
  1011: "the server failed",
  1012: "the server is starting again",
  1013: "the server has too much to do",
};

// A channel in plain words: "wrist_eda" is "Skin conductance", since all channels of a model come from one device.
export const channelWords = (name) => SIGNALS[name.slice(name.indexOf("_") + 1)] ?? name;
export const unitWords = (unit) => UNITS[unit] ?? unit ?? "";
export const closedWords = (code) => CLOSED[code] ?? `the connection ended (${code})`;
export const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);
export const percent = (share) => `${Math.round(100 * share)} %`;
export const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

// Reasons such as "wrist_eda: flat line", the rules of one channel together, the worst channel first.
export function reasonsWords(reasons) {
  const rules = new Map();
  for (const reason of reasons) {
    const [name, rule = "poor"] = reason.split(": ");
    rules.set(name, [...(rules.get(name) ?? []), rule]);
  }
  return [...rules].map(([name, failed]) => `${channelWords(name)}: ${failed.join(", ")}`).join("; ");
}

// A problem of the server (RFC 9457): its sentence, and what is wrong name by name.
export function problemWords(problem) {
  const items = (problem.errors ?? []).map((item) => `${item.name}: ${item.detail}`);
  return [problem.detail ?? problem.title ?? "The server gave no reason.", ...items.slice(0, 5)].join(" ");
}

// Seconds as minutes and seconds: 75 is "1:15".
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// The confidence of an answer; one that is not enough is never rounded up to what would be.
export function confidenceWords({ confidence, abstained }) {
  if (confidence === null) return "–";
  return abstained ? `${Math.floor(100 * confidence)} %` : percent(confidence);
}
