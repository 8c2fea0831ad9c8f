// What is asked of the server beside the stream.

import { encode } from "./msgpack.js";
import { problemWords } from "./words.js";

// What the server refused, in words, with its HTTP status; 0 where it did not answer.
export class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

async function request(path, token, options = {}) {
  const headers = { ...options.headers, ...(token && { authorization: `Bearer ${token}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "omit" });
  } catch {
    throw new Refused(0, "The server cannot be reached.");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ detail: response.statusText }));
  throw new Refused(response.status, problemWords(problem));
}

export async function fetchModel(token) {
  return (await request("model", token)).json();
}

// The bytes of the simulated recording.
export async function fetchExample(token) {
  return new Uint8Array(await (await request("example", token)).arrayBuffer());
}

// Sends windows of a person at rest; gives the `rest` handle that calibrates later answers, and on how many it rests.
export async function keepRest(token, person, windows) {
  const headers = { "content-type": "application/vnd.msgpack", accept: "application/json" };
  const body = encode({ windows });
  return (await request(`people/${person}/rest`, token, { method: "POST", headers, body })).json();
}

export function streamUrl() {
  const url = new URL("stream", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  return url;
}
