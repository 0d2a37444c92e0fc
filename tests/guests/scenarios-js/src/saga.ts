//! A workflow with compensations and no code for cancellation.

import { sleep } from "sandglass";
import { A, B, C, a, b, c } from "./activities";

/** Three steps, each with what undoes it. */
export async function a21(): Promise<void> {
  await A().compensatedBy(a.prepare());
  await B().compensatedBy(b.prepare());
  await C().compensatedBy(c.prepare());
}

/** The same, and then a timer: a cancellation that the last step does not accept shows there. */
export async function a21_then_sleep(): Promise<void> {
  await a21();
  await sleep("1s");
}
