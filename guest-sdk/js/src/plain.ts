//! Values as QuickJS shows them, of those that SpiderMonkey shows: there a number of 64 bits is a
//! `bigint`, and what an option has not is `undefined`.

/** Makes a value of the host's such that the SDK reads it: numbers of 64 bits are exact up to 2 ** 53. */
export function plain(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  const parts = value as Record<string, unknown>;
  for (const name of Object.keys(parts)) parts[name] = plain(parts[name]);
  return value;
}
