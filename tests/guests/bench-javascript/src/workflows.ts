//! The workflow that replay is measured with.

import { proxyActivities } from "sandglass";

const { Echo } = proxyActivities<{
  /** Returns its argument. */
  Echo(value: number): Promise<number>;
}>({});

/** Activities one after another, a small number in and out of each; returns the last. */
export async function sequence(count: number): Promise<number> {
  let last = 0;
  for (let value = 1; value <= count; value++) last = await Echo(value);
  return last;
}
