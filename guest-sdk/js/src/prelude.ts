//! Makes the platform that of a workflow, before any other code is evaluated.
//!
//! A component is a snapshot of an engine that has evaluated its modules already: the clock and the
//! seed of that moment must not reach any run. So what reads the time or draws randomness asks the
//! host, and fails while the component is built.

import * as info from "sandglass:workflow/info@0.1.0";
import { cancelOperation } from "sandglass:workflow/cancellation@0.1.0";
import { format, write } from "./log";
import { Operation } from "./operation";
import { DurablePromise, enqueue } from "./promise";
import { assertActive, mayCommand, run } from "./run";
import { Utf8Decoder, Utf8Encoder } from "./text";
import { sleep } from "./timer";

/** The most that the host gives in one call. */
const CHUNK = 65_536;

function now(what: string): number {
  assertActive(what);
  return info.now();
}

function randomBytes(length: number, what: string): Uint8Array {
  assertActive(what);
  return info.randomBytes(length);
}

/** `Math.random` with 53 bits of the run's generator. */
function random(): number {
  const bytes = randomBytes(8, "Math.random");
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return ((view.getUint32(0) >>> 5) * 2 ** 26 + (view.getUint32(4) >>> 6)) / 2 ** 53;
}

function fill<T extends ArrayBufferView>(view: T): T {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const length = Math.min(CHUNK, bytes.length - at);
    bytes.set(randomBytes(length, "crypto.getRandomValues"), at);
  }
  return view;
}

function uuid(): string {
  const bytes = randomBytes(16, "crypto.randomUUID");
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** `Date` whose present is the start of the workflow task. */
function durableDate(): DateConstructor {
  const Native = Date;
  const Durable = function (...parts: unknown[]): string | Date {
    if (new.target === undefined) return new Native(now("Date")).toString();
    return Reflect.construct(Native, parts.length > 0 ? parts : [now("Date")], new.target) as Date;
  };
  Object.defineProperties(Durable, {
    name: { value: "Date", configurable: true },
    length: { value: 7, configurable: true },
    prototype: { value: Native.prototype, writable: false },
    now: { value: () => now("Date.now"), configurable: true, writable: true },
    parse: { value: Native.parse, configurable: true, writable: true },
    UTC: { value: Native.UTC, configurable: true, writable: true },
  });
  define(Native.prototype, "constructor", Durable);
  return Durable as unknown as DateConstructor;
}

/** Timers of the platform that are running, by their numbers. */
const timers = new Map<number, Operation<void>>();
let lastTimer = 0;

function setTimer(f: unknown, length: unknown, values: unknown[], again: boolean): number {
  const id = ++lastTimer;
  const start = (): void => {
    const wait = Math.min(Math.max(Math.ceil(Number(length) || 0), again ? 1 : 0), 2 ** 53 - 1);
    const timer = sleep(wait);
    timers.set(id, timer);
    timer.then(
      () => {
        if (!timers.has(id)) return;
        if (again) start();
        else timers.delete(id);
        if (typeof f === "function") (f as (...a: unknown[]) => unknown)(...values);
      },
      // Canceled with its scope, it is never called.
      () => timers.delete(id),
    );
  };
  start();
  return id;
}

function clearTimer(id: unknown): void {
  const timer = timers.get(Number(id));
  timers.delete(Number(id));
  if (timer?.id !== undefined && mayCommand()) cancelOperation(timer.id);
}

function consoleOf(): Record<string, (...values: unknown[]) => void> {
  const counts = new Map<string, number>();
  let indent = "";
  const say = (level: Parameters<typeof write>[0]) => (...values: unknown[]) =>
    write(level, "console", indent + format(values));
  const group = (...values: unknown[]): void => {
    if (values.length > 0) say("info")(...values);
    indent += "  ";
  };
  return {
    log: say("info"), info: say("info"), debug: say("debug"), trace: say("debug"),
    warn: say("warn"), error: say("error"), dir: (value) => say("info")(value),
    table: say("info"), group, groupCollapsed: group,
    groupEnd: () => { indent = indent.slice(2); },
    assert: (truth, ...values) => { if (!truth) say("error")("assertion failed:", ...values); },
    count: (label = "default") => {
      const key = String(label);
      counts.set(key, (counts.get(key) ?? 0) + 1);
      say("info")(`${key}: ${counts.get(key)}`);
    },
    countReset: (label = "default") => { counts.delete(String(label)); },
    // Within a workflow task no time passes.
    time: () => {}, timeLog: () => {}, timeEnd: () => {},
  };
}

/** `WeakRef` that holds what it is given: when memory is collected must not be seen. */
class HoldingRef<T extends WeakKey> {
  readonly [Symbol.toStringTag] = "WeakRef";
  readonly #target: T;

  constructor(target: T) {
    this.#target = target;
  }

  deref(): T {
    return this.#target;
  }
}

/** `FinalizationRegistry` that never calls, as the standard allows. */
class SilentRegistry {
  readonly [Symbol.toStringTag] = "FinalizationRegistry";

  register(): void {}

  unregister(): boolean {
    return false;
  }
}

function define(target: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
}

define(globalThis, "Promise", DurablePromise);
define(globalThis, "queueMicrotask", (f: () => void) => enqueue(() => {
  try {
    f();
  } catch (error) {
    // Nobody could catch it: what was to be done there is not done.
    run.mistake ??= { error };
  }
}));
define(globalThis, "Date", durableDate());
define(Math, "random", random);
define(globalThis, "crypto", { getRandomValues: fill, randomUUID: uuid });
define(globalThis, "performance", {
  now: () => {
    const at = now("performance.now");
    return at - (run.origin ?? at);
  },
  get timeOrigin() {
    return run.origin ?? now("performance.timeOrigin");
  },
});
define(globalThis, "setTimeout",
  (f: unknown, length?: unknown, ...values: unknown[]) => setTimer(f, length, values, false));
define(globalThis, "setInterval",
  (f: unknown, length?: unknown, ...values: unknown[]) => setTimer(f, length, values, true));
define(globalThis, "setImmediate",
  (f: unknown, ...values: unknown[]) => setTimer(f, 0, values, false));
define(globalThis, "clearTimeout", clearTimer);
define(globalThis, "clearInterval", clearTimer);
define(globalThis, "clearImmediate", clearTimer);
define(globalThis, "console", consoleOf());
define(globalThis, "WeakRef", HoldingRef);
define(globalThis, "FinalizationRegistry", SilentRegistry);
define(globalThis, "TextEncoder", Utf8Encoder);
define(globalThis, "TextDecoder", Utf8Decoder);
// The engine's own would wait for its own promises.
define(Array, "fromAsync", async <T, U>(
  items: AsyncIterable<T> | Iterable<T | PromiseLike<T>>, map?: (value: T, at: number) => U,
) => {
  const all: unknown[] = [];
  for await (const item of items) all.push(map ? await map(item, all.length) : item);
  return all;
});
for (const name of ["Symbol.dispose", "Symbol.asyncDispose"] as const) {
  const key = name.slice("Symbol.".length) as "dispose";
  if (Symbol[key] === undefined) define(Symbol, key, Symbol(name));
}
