//! The activities that the test host serves.

import { proxyActivities } from "sandglass";

interface Beating {
  /** Heartbeats every 200 ms. On cancellation it fails with it, with the details `d`. */
  Work(): Promise<number>;
  /** Heartbeats every 200 ms. On cancellation it returns 7. */
  Swallow(): Promise<number>;
  /** Heartbeats every 200 ms; what it does on cancellation is the test's choice. */
  C(): Promise<void>;
}

interface Plain {
  /** Cleans up, at once. */
  Cleanup(): Promise<void>;
  A(): Promise<void>;
  B(): Promise<void>;
  a(): Promise<void>;
  b(): Promise<void>;
  c(): Promise<void>;
}

interface Silent {
  /** Runs 5 s without looking at anything. */
  Deaf(): Promise<number>;
}

const retry = { maximumAttempts: 1 };

export const { Work, Swallow, C } = proxyActivities<Beating>({ retry, heartbeatTimeout: "2s" });
export const { Cleanup, A, B, a, b, c } = proxyActivities<Plain>({ retry });
export const { Deaf } = proxyActivities<Silent>({ retry, cancellationType: "abandon" });

const { Echo } = proxyActivities<{ Echo(value: unknown): Promise<unknown> }>({ retry });

/** Returns its argument, by an activity. */
export async function echo<T>(value: T): Promise<T> {
  return (await Echo(value)) as T;
}
