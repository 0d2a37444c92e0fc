//! What is shown with a run, and by which it can be found: its memo and its search attributes.
//!
//! Each change is a command: a replay compares it with the recorded one. Cancellation does not stop
//! it.

import * as host from "sandglass:workflow/attributes@0.1.0";
import { decode, encode } from "./payload";
import { assertActive } from "./run";

/**
 * The value of a search attribute: a keyword, several, a number, a truth or a date. A number that
 * is whole is an `int`; `{ tag: "double", val: 5 }` and the like name the type.
 */
export type SearchValue = string | string[] | number | boolean | Date | host.SearchValue;

/** Search attributes by name. */
export type SearchAttributes = Record<string, SearchValue>;

/** Sets entries of the memo; one that is `undefined` or `null` is removed. Others stay. */
export function upsertMemo(entries: Record<string, unknown>): void {
  assertActive("upsertMemo");
  host.upsertMemo(
    Object.entries(entries).map(([name, value]) => [name, value == null ? null : encode(value)]),
  );
}

/** Returns the memo as it is now. */
export function memo(): Record<string, unknown> {
  assertActive("memo");
  const entries = host.getMemo();
  return Object.fromEntries(entries.map(([name, value]) => [name, decode(value, `memo ${name}`)]));
}

/** Sets search attributes, as one event; one that is `null` is removed. Others stay. */
export function upsertSearchAttributes(entries: Record<string, SearchValue | null>): void {
  assertActive("upsertSearchAttributes");
  host.upsertSearchAttributes(
    Object.entries(entries).map(([name, value]) => [name, value === null ? null : typed(value)]),
  );
}

/** Returns the search attributes as they are now, with their types. */
export function searchAttributes(): Record<string, host.SearchValue> {
  assertActive("searchAttributes");
  return Object.fromEntries(host.getSearchAttributes());
}

/** Search attributes as the host takes them. @internal */
export function searchEntries(entries: SearchAttributes): [string, host.SearchValue][] {
  return Object.entries(entries).map(([name, value]) => [name, typed(value)]);
}

function typed(value: SearchValue): host.SearchValue {
  if (typeof value === "string") return { tag: "keyword", val: value };
  if (typeof value === "boolean") return { tag: "boolean", val: value };
  if (typeof value === "number") {
    return { tag: Number.isSafeInteger(value) ? "int" : "double", val: value };
  }
  if (Array.isArray(value)) return { tag: "keyword-list", val: value };
  if (value instanceof Date) return { tag: "datetime", val: value.getTime() };
  return value;
}
