// MessagePack, as much of it as the stream needs: nil, booleans, numbers, text, bytes, lists and maps.

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder("utf-8", { fatal: true });

class Writer {
  constructor() {
    this.bytes = new Uint8Array(1024);
    this.view = new DataView(this.bytes.buffer);
    this.length = 0;
  }

  // Sets aside room for so many bytes and returns where they begin.
  take(count) {
    const start = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, 2 * this.bytes.length));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return start;
  }

  uint8(value) {
    const at = this.take(1);
    this.view.setUint8(at, value);
  }

  uint16(value) {
    const at = this.take(2);
    this.view.setUint16(at, value);
  }

  uint32(value) {
    const at = this.take(4);
    this.view.setUint32(at, value);
  }

  float64(value) {
    const at = this.take(8);
    this.view.setFloat64(at, value);
  }

  raw(bytes) {
    const at = this.take(bytes.length);
    this.bytes.set(bytes, at);
  }

  // A length, in the shortest of the forms that the type has; a missing form is null.
  head(length, fix, fixMost, one, two, four) {
    if (fix !== null && length <= fixMost) this.uint8(fix | length);
    else if (one !== null && length < 2 ** 8) {
      this.uint8(one);
      this.uint8(length);
    } else if (length < 2 ** 16) {
      this.uint8(two);
      this.uint16(length);
    } else {
      this.uint8(four);
      this.uint32(length);
    }
  }

  number(value) {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.uint8(0xcb);
      this.float64(value);
    } else if (value >= 0) this.natural(value);
    else if (value >= -32) this.uint8(256 + value);
    else {
      this.uint8(0xd3);
      const at = this.take(8);
      this.view.setBigInt64(at, BigInt(value));
    }
  }

  natural(value) {
    if (value < 128) this.uint8(value);
    else if (value < 2 ** 32) this.head(value, null, 0, 0xcc, 0xcd, 0xce);
    else {
      this.uint8(0xcf);
      const at = this.take(8);
      this.view.setBigUint64(at, BigInt(value));
    }
  }

  value(value) {
    if (value === null || value === undefined) this.uint8(0xc0);
    else if (typeof value === "boolean") this.uint8(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "string") {
      const bytes = UTF8.encode(value);
      this.head(bytes.length, 0xa0, 31, 0xd9, 0xda, 0xdb);
      this.raw(bytes);
    } else if (value instanceof Uint8Array) {
      this.head(value.length, null, 0, 0xc4, 0xc5, 0xc6);
      this.raw(value);
    } else if (Array.isArray(value)) {
      this.head(value.length, 0x90, 15, null, 0xdc, 0xdd);
      for (const item of value) this.value(item);
    } else {
      const entries = Object.entries(value);
      this.head(entries.length, 0x80, 15, null, 0xde, 0xdf);
      for (const [name, item] of entries) {
        this.value(name);
        this.value(item);
      }
    }
  }
}

// Writes a value; undefined is written as nil.
export function encode(value) {
  const writer = new Writer();
  writer.value(value);
  return writer.bytes.subarray(0, writer.length);
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  // Steps over so many bytes and returns where they began.
  skip(count) {
    const start = this.at;
    if (start + count > this.bytes.length) throw new RangeError("cut short");
    this.at += count;
    return start;
  }

  natural(size) {
    const at = this.skip(size);
    if (size === 1) return this.view.getUint8(at);
    if (size === 2) return this.view.getUint16(at);
    return size === 4 ? this.view.getUint32(at) : Number(this.view.getBigUint64(at));
  }

  integer(size) {
    const at = this.skip(size);
    if (size === 1) return this.view.getInt8(at);
    if (size === 2) return this.view.getInt16(at);
    return size === 4 ? this.view.getInt32(at) : Number(this.view.getBigInt64(at));
  }

  raw(length) {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }

  text(length) {
    return TEXT.decode(this.raw(length));
  }

  list(length) {
    const found = [];
    for (let k = 0; k < length; k += 1) found.push(this.value());
    return found;
  }

  map(length) {
    const found = [];
    for (let k = 0; k < length; k += 1) found.push([this.value(), this.value()]);
    // A name like __proto__ stays a name.
    return Object.fromEntries(found);
  }

  value() {
    const type = this.natural(1);
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 256;
    if (type < 0x90) return this.map(type & 15);
    if (type < 0xa0) return this.list(type & 15);
    if (type < 0xc0) return this.text(type & 31);
    return this.long(type);
  }

  long(type) {
    if (type === 0xc0) return null;
    if (type === 0xc2 || type === 0xc3) return type === 0xc3;
    if (type >= 0xc4 && type <= 0xc6) return this.raw(this.natural(2 ** (type - 0xc4)));
    if (type === 0xca) return this.view.getFloat32(this.skip(4));
    if (type === 0xcb) return this.view.getFloat64(this.skip(8));
    if (type >= 0xcc && type <= 0xcf) return this.natural(2 ** (type - 0xcc));
    if (type >= 0xd0 && type <= 0xd3) return this.integer(2 ** (type - 0xd0));
    if (type >= 0xd9 && type <= 0xdb) return this.text(this.natural(2 ** (type - 0xd9)));
    if (type === 0xdc || type === 0xdd) return this.list(this.natural(2 ** (type - 0xdb)));
    if (type === 0xde || type === 0xdf) return this.map(this.natural(2 ** (type - 0xdd)));
    throw new RangeError("a type that is not used here");
  }
}

// Reads one value; throws where the bytes are cut short, go on after it, or hold what is not used here.
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (reader.at !== bytes.length) throw new RangeError("bytes after the end");
  return value;
}
