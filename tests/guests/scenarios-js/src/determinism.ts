//! A workflow whose commands depend on all that might differ between two processes: the order of
//! collections, the time, random numbers, the bits of floating point, JSON, addresses, when memory
//! is collected.

import { signals, sleep } from "sandglass";
import { echo } from "./activities";

/**
 * In each round: observes, tells an activity what it saw, sleeps as long as that says, and waits
 * for the signal `next`. Returns what it saw last.
 */
export async function observe(rounds: number): Promise<string[]> {
  let seen: string[] = [];
  for (let round = 0; round < rounds; round++) {
    seen = await echo(look(round));
    const letters = [...seen.join("")];
    const digest = letters.reduce((sum, one) => (sum * 31 + one.charCodeAt(0)) % 65_521, 7);
    await sleep(1 + (digest % 1000));
    await signals("next").receive();
  }
  return seen;
}

/** Objects that nothing else refers to. */
const refs: WeakRef<object>[] = [];
let finalized = 0;
const registry = new FinalizationRegistry(() => finalized++);

function look(round: number): string[] {
  for (let n = 0; n < 100; n++) {
    const object = { text: "x".repeat(1000) + n };
    refs.push(new WeakRef(object));
    registry.register(object, n);
  }
  const words = new Map<string, number>();
  for (let n = 0; n < 40; n++) words.set(`${(n * 7) % 40}-${Math.random()}`, n);
  const set = new Set(Array.from({ length: 40 }, (_, n) => (n * round) % 11));
  const object: Record<string, number> = {};
  for (let n = 0; n < 40; n++) object[n % 3 ? `k${Math.random()}` : String(97 - n)] = n;
  const keys = Array.from({ length: 30 }, () => Symbol("same"));
  const weak = new WeakMap(keys.map((_, n) => [{ n }, n]));
  const random = crypto.getRandomValues(new Uint8Array(6));
  const date = new Date();
  return [
    `words ${JSON.stringify([...words])}`,
    `set ${JSON.stringify([...set])}`,
    `object ${JSON.stringify(object)} ${JSON.stringify(Object.keys(object))}`,
    `symbols ${keys.map(String)} ${String(weak)}`,
    `now ${Date.now()} ${date.toISOString()} ${String(date)} ${performance.now()}`,
    `zone ${date.getTimezoneOffset()} ${date.toLocaleString()}`,
    `collected ${refs.filter((ref) => ref.deref() === undefined).length} ${finalized}`,
    `random ${Math.random()} ${crypto.randomUUID()} ${random}`,
    `floats ${floats(round)}`,
    `sorted ${[3, 11, 2, 25].sort()} ${["ä", "z", "a", "Z"].sort((a, b) => a.localeCompare(b))}`,
    `stack ${new Error("here").stack ?? ""}`,
  ];
}

/** NaNs made in different ways, one with a payload, and sums that round. */
function floats(round: number): string {
  const view = new DataView(new ArrayBuffer(8));
  const bits = (value: number): string => {
    view.setFloat64(0, value);
    return view.getBigUint64(0).toString(16);
  };
  view.setBigUint64(0, 0x7ff0_0000_0000_1234n + BigInt(round));
  const payload = view.getFloat64(0);
  let sum = 0.1;
  for (let n = 1; n < 1000; n++) sum = Math.sin(sum + 1 / n) + Math.exp(-n) + Math.cbrt(n) / 1e3;
  const nans = [0 / 0, Infinity - Infinity, Math.sqrt(-1), payload + 1, -payload * 0];
  const made = [...nans, sum, sum ** 7.3];
  return [...made.map(bits), 0.1 + 0.2, (1.005).toFixed(2), Math.tan(1e22)].join(" ");
}
