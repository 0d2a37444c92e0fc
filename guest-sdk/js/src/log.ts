//! Log lines, written to the host's log under the run. In a replay they do nothing.

import { type Level, write as host } from "sandglass:workflow/log@0.1.0";
import { run } from "./run";

export type { Level };

/** Writes one line. `target` says which part of the program wrote it. */
export function write(level: Level, target: string, message: string): void {
  // While the component is built there is no host.
  if (run.alive) host(level, target, message);
}

/** Functions that write a line, one for each level, and show values as `console` does. */
export const log = {
  trace: (...values: unknown[]) => write("trace", "workflow", format(values)),
  debug: (...values: unknown[]) => write("debug", "workflow", format(values)),
  info: (...values: unknown[]) => write("info", "workflow", format(values)),
  warn: (...values: unknown[]) => write("warn", "workflow", format(values)),
  error: (...values: unknown[]) => write("error", "workflow", format(values)),
};

/** Shows values in one text; the first one may have `%s`, `%d`, `%i`, `%f`, `%j`, `%o`, `%O`. */
export function format(values: unknown[]): string {
  const rest = [...values];
  let text = "";
  if (typeof rest[0] === "string") {
    text = (rest.shift() as string).replace(/%([sdifjoOc%])/g, (whole, kind: string) => {
      if (kind === "%") return "%";
      if (rest.length === 0) return whole;
      const value = rest.shift();
      if (kind === "c") return "";
      if (kind === "s") return show(value);
      if (kind === "i") return String(Math.trunc(Number(value)));
      return kind === "d" || kind === "f" ? String(Number(value)) : quoted(value);
    });
    if (rest.length > 0) text += " ";
  }
  return text + rest.map(show).join(" ");
}

function show(value: unknown): string {
  return typeof value === "string" ? value : quoted(value);
}

function quoted(value: unknown): string {
  if (value instanceof Error) return describeError(value);
  if (value instanceof Map) return `Map(${value.size}) ${quoted([...value])}`;
  if (value instanceof Set) return `Set(${value.size}) ${quoted([...value])}`;
  if (typeof value !== "object" || value === null) {
    return typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value));
  }
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** An error with its stack and causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return quoted(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${describeError(error.cause)}`;
  return `${error.name}: ${error.message}\n${(error.stack ?? "").trimEnd()}${cause}`;
}
