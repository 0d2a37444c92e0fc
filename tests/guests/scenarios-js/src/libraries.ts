//! A workflow that uses packages of npm as they are.

import pLimit from "p-limit";
import { v4, v7 } from "uuid";
import { echo } from "./activities";

/** At most two activities at a time, and ids that are the run's own. */
export async function libraries(): Promise<unknown> {
  const limit = pLimit(2);
  let [running, most] = [0, 0];
  const values = await Promise.all(["a", "b", "c", "d", "e"].map((value) => limit(async () => {
    most = Math.max(most, ++running);
    const echoed = await echo(value);
    running--;
    return echoed;
  })));
  const ids = [v4(), v7()];
  return { values, most, ids, time: v7().slice(0, 13) };
}
