//! UTF-8, which QuickJS leaves to its embedder.

const REPLACEMENT = 0xfffd;

/** How many bytes become text at once: a call takes no more arguments. */
const PIECE = 4096;

/** The bytes of a text. A lone surrogate becomes U+FFFD, as everywhere. */
export function encodeUtf8(text: string): Uint8Array {
  // Most texts are ASCII.
  const { length } = text;
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) {
    const point = text.charCodeAt(at);
    if (point >= 0x80) return encodeAny(text);
    bytes[at] = point;
  }
  return bytes;
}

function encodeAny(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let end = 0;
  for (let at = 0; at < text.length; at++) {
    let point = text.charCodeAt(at);
    if (point < 0x80) {
      bytes[end++] = point;
      continue;
    }
    if (point >= 0xd800 && point <= 0xdfff) {
      const low = text.charCodeAt(at + 1);
      if (point <= 0xdbff && low >= 0xdc00 && low <= 0xdfff) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        at++;
      } else {
        point = REPLACEMENT;
      }
    }
    if (point >= 0x10000) {
      bytes[end++] = 0xf0 | (point >> 18);
      bytes[end++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[end++] = 0x80 | ((point >> 6) & 0x3f);
    } else if (point >= 0x800) {
      bytes[end++] = 0xe0 | (point >> 12);
      bytes[end++] = 0x80 | ((point >> 6) & 0x3f);
    } else {
      bytes[end++] = 0xc0 | (point >> 6);
    }
    bytes[end++] = 0x80 | (point & 0x3f);
  }
  return bytes.slice(0, end);
}

/** The text of bytes. What is no UTF-8 becomes U+FFFD, or throws a `TypeError` if `fatal`. */
export function decodeUtf8(bytes: Uint8Array, fatal = false): string {
  // Most bytes are ASCII.
  const { length } = bytes;
  if (length > PIECE) return decodeAny(bytes, fatal);
  for (let at = 0; at < length; at++) {
    if ((bytes[at] as number) >= 0x80) return decodeAny(bytes, fatal);
  }
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

function decodeAny(bytes: Uint8Array, fatal: boolean): string {
  let text = "";
  let units: number[] = [];
  const put = (point: number): void => {
    if (point > 0xffff) {
      units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
      units.push(point);
    }
    if (units.length >= PIECE) {
      text += String.fromCharCode(...units);
      units = [];
    }
  };
  for (let at = 0; at < bytes.length; ) {
    const [point, length] = pointAt(bytes, at);
    if (point < 0 && fatal) throw new TypeError("the bytes are not valid UTF-8");
    put(point < 0 ? REPLACEMENT : point);
    at += length;
  }
  return text + String.fromCharCode(...units);
}

/** The code point at a place and its length; -1 and what to skip if there is none. */
function pointAt(bytes: Uint8Array, at: number): [number, number] {
  const first = bytes[at] as number;
  if (first < 0x80) return [first, 1];
  const more = first >= 0xf0 && first <= 0xf4 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
  if (more === 0 || first > 0xf4) return [-1, 1];
  let point = first & (0x3f >> more);
  for (let i = 1; i <= more; i++) {
    const byte = bytes[at + i];
    // The first of them has a narrower range where the form would be too long, or a surrogate.
    const low = i === 1 && first === 0xe0 ? 0xa0 : i === 1 && first === 0xf0 ? 0x90 : 0x80;
    const high = i === 1 && first === 0xed ? 0x9f : i === 1 && first === 0xf4 ? 0x8f : 0xbf;
    if (byte === undefined || byte < low || byte > high) return [-1, i];
    point = (point << 6) | (byte & 0x3f);
  }
  return [point, more + 1];
}

/** The `TextEncoder` of the platform, for UTF-8. */
export class Utf8Encoder {
  readonly encoding = "utf-8";

  encode(text = ""): Uint8Array {
    return encodeUtf8(String(text));
  }

  encodeInto(text: string, into: Uint8Array): { read: number; written: number } {
    let [read, written] = [0, 0];
    for (const character of text) {
      const bytes = encodeUtf8(character);
      if (written + bytes.length > into.length) break;
      into.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

/** The `TextDecoder` of the platform, for UTF-8. It does not decode in pieces. */
export class Utf8Decoder {
  readonly encoding = "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;

  constructor(label = "utf-8", options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    if (!["utf-8", "utf8", "unicode-1-1-utf-8"].includes(String(label).trim().toLowerCase())) {
      throw new RangeError(`the encoding ${label} is not there, only utf-8`);
    }
    this.fatal = options.fatal ?? false;
    this.ignoreBOM = options.ignoreBOM ?? false;
  }

  decode(input?: ArrayBuffer | ArrayBufferView, options: { stream?: boolean } = {}): string {
    if (options.stream) throw new TypeError("decoding in pieces is not there");
    const text = decodeUtf8(bytesOf(input), this.fatal);
    return !this.ignoreBOM && text.startsWith("\ufeff") ? text.slice(1) : text;
  }
}

function bytesOf(input: ArrayBuffer | ArrayBufferView | undefined): Uint8Array {
  if (input === undefined) return new Uint8Array(0);
  if (ArrayBuffer.isView(input)) {
    return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  }
  return new Uint8Array(input);
}
