//! Workflows that await several things, or in scopes.

import { type Operation, cancellable, isCancellation, log, sleep, waitUntil } from "sandglass";
import { Work } from "./activities";

const work = Work.with({ cancellationType: "try-cancel" });

/** Activities and timers in turns, in one scope; all are awaited. */
export async function a07(): Promise<void> {
  await cancellable(async () => {
    const [first, timer, second, last] = [work(), sleep("1h"), work(), sleep("1h")];
    await first;
    await timer;
    await second;
    await last;
  });
}

/** Says whether something was canceled. */
async function raised(what: PromiseLike<unknown>): Promise<boolean> {
  try {
    await what;
    return false;
  } catch (error) {
    return isCancellation(error);
  }
}

/** Two activities that are not awaited, and a condition that never becomes true. */
export async function a24(): Promise<void> {
  const [first, second]: Operation<number>[] = [work(), work()];
  const condition = waitUntil(() => false);
  log.info(`condition raised: ${await raised(condition)}`);
  log.info(`a1 raised: ${await raised(first as Operation<number>)}`);
  log.info(`a2 raised: ${await raised(second as Operation<number>)}`);
  await condition;
}
