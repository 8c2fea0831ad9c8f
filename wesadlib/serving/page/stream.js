// What is asked of the server: requests, and a stream that outlives its connections.
import { closedWords, problemWords } from "./words.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
// Refused, or too large: to come back would end the same way.
const FINAL = new Set([1008, 1009]);
// Connections in a row that brought no answer: a server may fail at the same window each time.
const MOST_BREAKS = 10;

// What the server refused, in words, with its HTTP status; 0 where it did not answer.
export class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

export async function request(path, token, body) {
  const headers = { accept: "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const options = body && { method: "POST", body: JSON.stringify(body) };
  if (body) headers["content-type"] = "application/json";
  const response = await fetch(path, { ...options, headers, credentials: "omit" }).catch(() => {
    throw new Refused(0, "The server cannot be reached.");
  });
  if (response.ok) return response;
  throw new Refused(response.status, problemWords(await response.json().catch(() => ({ detail: response.statusText }))));
}

// After a drop it starts anew at the first window that is still wanted: the recording is here, so none is missed.
// `handlers`: ready(message), prediction(message), lost(words), closed(words, "" where all was answered).
export class Stream {
  constructor(token, start, handlers) {
    Object.assign(this, { token, start, handlers, scores: [], breaks: 0, waitMs: FIRST_WAIT_MS });
    this.begun = this.open = this.done = false;
    this.connect();
  }

  connect() {
    const url = new URL("stream", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, this.token ? ["wesad", `bearer.${this.token}`] : []);
    const start = { ...this.start, start_s: this.scores.length * this.start.hop_s, scores: this.scores };
    this.socket = socket;
    this.problem = null;
    socket.onopen = () => socket.send(JSON.stringify({ type: "start", ...start }));
    socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.socket && this.dropped(code);
  }

  send(message) {
    if (this.open && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // Bytes that wait to leave.
  get waiting() {
    return this.socket.bufferedAmount;
  }

  receive(message) {
    if (message.type === "problem") this.problem = message;
    else if (message.type === "end") this.finish("");
    else if (message.type === "ready") {
      this.begun = this.open = true;
      this.waitMs = FIRST_WAIT_MS;
      this.handlers.ready(message);
    } else if (message.type === "prediction") {
      // Of windows that were not answered there is none, which JSON has as null.
      this.scores[Math.round(message.start_s / this.start.hop_s)] = message.score;
      this.breaks = 0;
      this.handlers.prediction(message);
    }
  }

  // Gives up a connection from which nothing comes, and opens another.
  renew(words) {
    this.socket.close(1000);
    this.socket = {};
    this.retry(words);
  }

  async dropped(code) {
    if (this.done) return;
    const words = this.problem ? problemWords(this.problem) : closedWords(code);
    const final = FINAL.has(code) || (this.problem && this.problem.status !== 503);
    if (!this.open && !this.problem) {
      // A refused handshake tells a page nothing; an ordinary request gives the reason.
      const refused = await request("model", this.token).then(() => null, (error) => error);
      if (refused && (!this.begun || refused.status === 401)) return this.finish(refused);
    }
    if (final || !this.begun || this.breaks >= MOST_BREAKS) this.finish(words);
    else this.retry(words);
  }

  retry(words) {
    if (this.done) return;
    this.open = false;
    this.breaks += 1;
    this.handlers.lost(words);
    this.timer = setTimeout(() => this.connect(), this.waitMs);
    this.waitMs = Math.min(2 * this.waitMs, LONGEST_WAIT_MS);
  }

  finish(words) {
    if (this.done) return;
    this.close();
    this.handlers.closed(words);
  }

  // Ends it from this side, without a word to the handlers.
  close() {
    this.done = true;
    this.open = false;
    clearTimeout(this.timer);
    this.socket.close?.(1000);
  }
}
