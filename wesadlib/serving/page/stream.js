// A connection to /stream that outlives its drops: within the grace period it goes on where the server stopped.

import { decode, encode } from "./msgpack.js";
import { closedWords, problemWords } from "./words.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;
// Closed by the other end in good order, refused, or failed: to come back would end the same way.
const FINAL = new Set([1000, 1008, 1009, 1011]);

// `handlers`: ready(message, resumed), prediction(message), lost(words, secondsLeft), closed(words or "", neverReady).
export class Stream {
  constructor(url, token, start, handlers) {
    this.url = url;
    this.token = token;
    this.start = start;
    this.handlers = handlers;
    this.session = null;
    this.graceS = 0;
    this.lostAt = null;
    this.wantedS = 0;
    this.problem = null;
    this.done = false;
    this.open = false;
    this.waitMs = FIRST_WAIT_MS;
    this.connect();
  }

  connect() {
    const protocols = this.token ? ["wesad", `bearer.${this.token}`] : [];
    const socket = new WebSocket(this.url, protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.send({ type: "start", ...this.start, ...this.resumption() });
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = (event) => this.dropped(event.code);
    this.socket = socket;
  }

  // What makes a start go on with a dropped stream; the recording is here, so that no window needs to be missed.
  resumption() {
    return this.session === null ? {} : { session: this.session, start_s: this.wantedS };
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(encode(message));
  }

  // Bytes that wait to leave.
  get waiting() {
    return this.socket.bufferedAmount;
  }

  receive(data) {
    const message = typeof data === "string" ? JSON.parse(data) : decode(new Uint8Array(data));
    if (message.type === "ready") this.ready(message);
    else if (message.type === "prediction") this.predicted(message);
    else if (message.type === "problem") this.problem = message;
    else if (message.type === "end") this.finish("");
  }

  predicted(message) {
    this.wantedS = message.start_s + this.start.hop_s;
    this.handlers.prediction(message);
  }

  ready(message) {
    const resumed = this.session !== null;
    this.session = message.session;
    this.graceS = message.grace_s ?? 0;
    this.lostAt = null;
    this.waitMs = FIRST_WAIT_MS;
    this.open = true;
    this.handlers.ready(message, resumed);
  }

  dropped(code) {
    if (this.done) return;
    this.open = false;
    const words = this.problem ? problemWords(this.problem) : closedWords(code);
    if (this.session === null) this.finish(words, this.problem === null);
    else if (this.problem && this.lostAt === null) this.finish(words);
    else if (FINAL.has(code)) this.finish(words);
    else this.retry(words);
  }

  retry(words) {
    this.problem = null;
    this.lostAt ??= performance.now();
    const leftS = this.graceS - (performance.now() - this.lostAt) / 1000;
    if (leftS <= 0) {
      this.finish(`${words}, and it could not be resumed in time`);
      return;
    }
    this.handlers.lost(words, leftS);
    this.timer = setTimeout(() => this.connect(), Math.min(this.waitMs, 1000 * leftS));
    this.waitMs = Math.min(2 * this.waitMs, LONGEST_WAIT_MS);
  }

  finish(words, neverReady = false) {
    if (this.done) return;
    this.close();
    this.handlers.closed(words, neverReady);
  }

  // Ends it from this side, without a word to the handlers.
  close() {
    this.done = true;
    this.open = false;
    clearTimeout(this.timer);
    this.socket.close(1000);
  }
}
