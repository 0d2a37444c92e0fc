//! Durable timers.

import * as timers from "sandglass:workflow/timers@0.1.0";
import { Operation } from "./operation";
import { assertActive, currentScope } from "./run";
import { type Duration, millis } from "./time";

/**
 * Starts a timer in the current scope and returns the promise of its end.
 *
 * It is due when that much time has passed since the start of the current workflow task, also if
 * the host was down meanwhile. In a replay it fires at its recorded place, without waiting.
 *
 * Cancellation ends it at once with a cancellation. In a canceled scope no timer is started and
 * awaiting it throws so at once.
 */
export function sleep(length: Duration): Operation<void> {
  assertActive("sleep");
  const wait = millis(length);
  return new Operation(() => timers.startTimer(currentScope(), wait), () => {});
}
