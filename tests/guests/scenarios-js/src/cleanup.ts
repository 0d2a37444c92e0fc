//! Workflows that do something about their cancellation.

import { detached, isCancellation, shielded, sleep } from "sandglass";
import { Cleanup } from "./activities";

/** Does not let itself be canceled. */
export async function a04(): Promise<string> {
  await shielded(() => sleep("2s"));
  return "ok";
}

/** Notices the cancellation after the shield. */
export async function a04_then_sleep(): Promise<string> {
  await shielded(() => sleep("2s"));
  await sleep("1s");
  return "ok";
}

/** Cleans up, then lets the cancellation go on. */
export async function a05(): Promise<void> {
  try {
    await sleep("1h");
  } catch (error) {
    if (isCancellation(error)) await detached(() => Cleanup());
    throw error;
  }
}

/** Cleans up and succeeds. */
export async function a06(): Promise<string> {
  try {
    await sleep("1h");
    return "slept";
  } catch (error) {
    if (!isCancellation(error)) throw error;
    await detached(() => Cleanup());
    return "cleaned";
  }
}
