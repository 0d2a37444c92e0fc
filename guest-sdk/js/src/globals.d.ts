//! What of the platform is there beside ECMAScript, and what it does in a workflow.

/** Shows values as a line of the run's log, muted in replay. */
declare const console: Record<
  | "log" | "info" | "debug" | "trace" | "warn" | "error" | "dir" | "table" | "group"
  | "groupCollapsed" | "groupEnd" | "assert" | "count" | "countReset" | "time"
  | "timeLog" | "timeEnd",
  (...values: unknown[]) => void
>;
/** Calls a function when a durable timer of the current scope fires. */
declare function setTimeout(
  f: (...values: any[]) => unknown, ms?: number, ...values: unknown[]
): number;
declare function setInterval(
  f: (...values: any[]) => unknown, ms?: number, ...values: unknown[]
): number;
declare function setImmediate(f: (...values: any[]) => unknown, ...values: unknown[]): number;
declare function clearTimeout(id: number | undefined): void;
declare function clearInterval(id: number | undefined): void;
declare function clearImmediate(id: number | undefined): void;
declare function queueMicrotask(f: () => void): void;
/** Random bytes of the run's own generator: the same in each replay, not for secrets. */
declare const crypto: {
  getRandomValues<T extends ArrayBufferView>(view: T): T;
  randomUUID(): string;
};
/** Milliseconds since the run began, as of the current workflow task. */
declare const performance: { now(): number; readonly timeOrigin: number };
declare class TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array;
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: ArrayBuffer | ArrayBufferView): string;
}
