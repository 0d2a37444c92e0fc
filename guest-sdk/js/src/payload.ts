//! Turns values into payloads and back, as Temporal's default converter does: JSON under
//! `json/plain`, no value (`undefined`, `null`) under `binary/null`, bytes under `binary/plain`.

import type { Payload } from "sandglass:workflow/types@0.1.0";
import { ApplicationFailure } from "./failure";
import { decodeUtf8, encodeUtf8 } from "./text";

export type { Payload };

const JSON_PLAIN = "json/plain";
const NULL = "binary/null";
const PLAIN = "binary/plain";

/** The bytes of their names. */
const NAMES = new Map([JSON_PLAIN, NULL, PLAIN].map((name) => [name, encodeUtf8(name)]));

/**
 * Encodes a value.
 *
 * Throws a non-retryable failure of type `PayloadEncoding` if it has no JSON form, as a function or
 * a `bigint`.
 */
export function encode(value: unknown): Payload {
  if (value === undefined || value === null) return payload(NULL, new Uint8Array(0));
  if (value instanceof Uint8Array) return payload(PLAIN, value);
  let text: string | undefined;
  let problem = `a ${typeof value}`;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    problem = String(error);
  }
  if (text === undefined) throw refused("PayloadEncoding", `a value has no JSON form: ${problem}`);
  return text === "null" ? payload(NULL, new Uint8Array(0)) : payload(JSON_PLAIN, encodeUtf8(text));
}

/**
 * Decodes a value. `what` names it in the error, as in `argument 1`.
 *
 * Throws a non-retryable failure of type `PayloadDecoding` that says what is wrong.
 */
export function decode(payload: Payload, what: string): unknown {
  const entry = payload.metadata.find(([key]) => key === "encoding");
  if (!entry) throw refused("PayloadDecoding", `${what} names no encoding`);
  const encoding = decodeUtf8(entry[1]);
  switch (encoding) {
    case NULL:
      return undefined;
    case PLAIN:
      return payload.data;
    case JSON_PLAIN:
      try {
        return JSON.parse(decodeUtf8(payload.data, true));
      } catch (error) {
        throw refused("PayloadDecoding", `${what} is no JSON: ${String(error)}`);
      }
    default:
      throw refused("PayloadDecoding", `${what} does not decode: its encoding is ${encoding}`);
  }
}

/** Decodes arguments one by one. */
export function decodeAll(payloads: Payload[], what: string): unknown[] {
  return payloads.map((one, index) => decode(one, `argument ${index + 1} of ${what}`));
}

/** Named values as the host takes them. */
export function encodeEntries(values: Record<string, unknown> | undefined): [string, Payload][] {
  return Object.entries(values ?? {}).map(([name, value]) => [name, encode(value)]);
}

function payload(encoding: string, data: Uint8Array): Payload {
  return { metadata: [["encoding", (NAMES.get(encoding) as Uint8Array).slice()]], data };
}

function refused(type: string, message: string): ApplicationFailure {
  return new ApplicationFailure(message, { type, nonRetryable: true });
}
