//! Workflows that await one thing.

import { ActivityFailure, CanceledFailure, log, sleep } from "sandglass";
import { Deaf, Swallow, Work } from "./activities";

/** A timer, uncaught. */
export async function a01(): Promise<void> {
  log.info("main was entered");
  await sleep("1h");
}

/** An activity that fails with the cancellation. */
export async function a08(): Promise<number> {
  try {
    return await Work();
  } catch (error) {
    if (error instanceof ActivityFailure) {
      const { activityType, cause } = error;
      const bare = cause instanceof CanceledFailure && cause.cause === undefined;
      const details = cause instanceof CanceledFailure ? JSON.stringify(cause.details[0]) : "";
      log.info(
        `activity failure: ${activityType === "Work"}, caused by a cancellation: ${bare}, ` +
          `details: Some(${details})`,
      );
    }
    throw error;
  }
}

/** An activity that returns a value on cancellation. */
export async function a09(): Promise<number> {
  return await Swallow();
}

/** An activity that is abandoned. */
export async function a10(): Promise<number> {
  return await Deaf();
}
