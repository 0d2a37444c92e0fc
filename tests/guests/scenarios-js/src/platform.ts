//! A workflow that uses what JavaScript programs expect of their platform.

import {
  Scope, allHandlersFinished, isTimeout, query, signals, update, waitUntil, withTimeout,
} from "sandglass";
import { echo } from "./activities";

/** Durable timers of the platform, combinations of promises, async iteration, `using`, messages. */
export async function platform(): Promise<string[]> {
  const seen: string[] = [];
  query("seen", () => seen);
  update("add", async (value: string) => {
    seen.push(await echo(value));
    return seen.length;
  }, {
    validator: (value: string) => {
      if (value === "") throw new Error("there is nothing to add");
    },
  });
  await pause(1000);
  seen.push("timeout");
  const late = setTimeout(() => seen.push("never"), 60_000);
  clearTimeout(late);
  const first = await Promise.race([echo("raced"), pause(60_000)]);
  seen.push(String(first));
  const all = await Promise.all([1, 2, 3].map(async (n) => (await echo(n)) * 2));
  const any = Promise.any([Promise.reject(new Error("no")), echo("any")]);
  const settled = await Promise.allSettled([Promise.reject(new Error("no")), any]);
  seen.push(`all ${all}`, `settled ${settled.map((one) => one.status)}`);
  for await (const value of counted(3)) seen.push(`counted ${value}`);
  {
    using scope = Scope.cancellable();
    scope.enter(() => void echo("left behind"));
  }
  try {
    await withTimeout("2s", () => waitUntil(() => false));
  } catch (error) {
    seen.push(`timed out ${isTimeout(error)}`);
  }
  queueMicrotask(() => seen.push("microtask"));
  for await (const note of signals<string>("note")) {
    if (note === "end") break;
    seen.push(`noted ${note}`);
  }
  await waitUntil(allHandlersFinished);
  return seen;
}

function pause(length: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, length));
}

async function* counted(to: number): AsyncGenerator<number> {
  for (let n = 1; n <= to; n++) yield await echo(n);
}
