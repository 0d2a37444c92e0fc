//! Lengths of time, as people write them.

/** Milliseconds, or a number with a unit: `"250ms"`, `"10s"`, `"1.5m"`, `"1h"`, `"2d"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Returns whole milliseconds, rounded up so that no limit becomes shorter than asked for.
 *
 * Throws a `TypeError` if it is no length of time.
 */
export function millis(length: Duration): number {
  let found = typeof length === "number" ? length : Number.NaN;
  if (typeof length === "string") {
    const parts = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/.exec(length);
    if (parts) found = Number(parts[1]) * (UNITS[parts[2] as string] as number);
  }
  // A workflow task must not depend on how a sum of fractions was rounded.
  const whole = Math.ceil(Math.round(found * 1e6) / 1e6);
  if (!(whole >= 0 && whole <= Number.MAX_SAFE_INTEGER)) {
    throw new TypeError(`${String(length)} is no length of time; write milliseconds or "10s"`);
  }
  return whole;
}

/** The same for what may be left out. */
export function optionalMillis(length: Duration | undefined): number | null {
  return length === undefined ? null : millis(length);
}
