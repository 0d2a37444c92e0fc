//! The run that this instance holds: its unresolved operations, its conditions and messages.
//!
//! The host calls `activate` with one event at a time. The event settles promises; then jobs run
//! until there is none left, which is when the run is quiescent.

import * as cancellation from "sandglass:workflow/cancellation@0.1.0";
import * as waits from "sandglass:workflow/waits@0.1.0";
import type { Result } from "sandglass:workflow/types@0.1.0";
import { fromHost, fromLinks } from "./failure";
import { type Context, context, drain, runIn } from "./promise";

/** What an operation ends with; only an activity or a child has a value. */
export interface Waiter {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
}

interface Condition {
  readonly isTrue: () => boolean;
  readonly wait: number;
  readonly context: Context;
  readonly waiter: Waiter;
}

/** All that one run needs between two activations. */
class Run {
  /** Whether a call of the host is under way: only then may it be asked for anything. */
  active = false;
  /** Whether the host has called at all. While the component is built it has not. */
  alive = false;
  /** Whether the run has ended. What happens afterwards issues no commands. */
  completed = false;
  /** A mistake in the code, which fails the workflow task. */
  mistake: { error: unknown } | undefined;
  /** Whether the workflow's code has begun. */
  begun = false;
  /** Where the platform's monotonic clock begins, in milliseconds. */
  origin: number | undefined;
  readonly waiters = new Map<number, Waiter>();
  /** Who waits for a scope's cancellation. */
  readonly cancelWaiters = new Map<number, (() => void)[]>();
  readonly conditions = new Set<Condition>();
}

/** The run of this instance. */
export const run = new Run();

/** Throws an error that a user understands, if the host cannot be asked now. */
export function assertActive(what: string): void {
  if (run.active) return;
  throw new Error(
    run.alive
      ? `${what} was used outside of a running workflow`
      : `${what} was used while the component is built; use it inside of a workflow`,
  );
}

/** Whether commands may be issued: inside an activation, before the run's end. */
export function mayCommand(): boolean {
  return run.active && !run.completed;
}

/** The number of the scope that new operations belong to. */
export function currentScope(): number {
  return context().scope;
}

/** Calls the host; what it refuses with is thrown as a failure. */
export function ask<T>(f: () => T): T {
  try {
    return f();
  } catch (error) {
    throw fromHost(error);
  }
}

/** Opens a wait in the current scope. Throws the cancellation if that is canceled. */
export function openWait(label: string, waiter: Waiter): number {
  const id = ask(() => waits.openWait(currentScope(), label));
  run.waiters.set(id, waiter);
  return id;
}

/** Closes a wait that is satisfied. */
export function closeWait(id: number): void {
  if (run.waiters.delete(id) && mayCommand()) waits.closeWait(id);
}

/** Settles who waits for an operation. One that nobody holds is ignored. */
export function settle(operation: number, outcome: Result<unknown>): void {
  const waiter = run.waiters.get(operation);
  run.waiters.delete(operation);
  if (outcome.tag === "err") waiter?.reject(fromLinks(outcome.val));
  else waiter?.resolve(outcome.val);
}

/** Runs what can be run until nothing more can be done, or the run has ended. */
export function work(): void {
  const ended = (): boolean => run.completed || run.mistake !== undefined;
  drain(ended);
  // Nobody tells when the workflow's own state changes, so each open condition is looked at when
  // all is quiet, and once more as long as one was true: what follows may make another true.
  for (let changed = true; changed && !ended(); ) {
    changed = false;
    for (const condition of [...run.conditions]) {
      if (ended() || !run.conditions.has(condition) || !look(condition)) continue;
      changed = true;
      drain(ended);
    }
  }
}

/** Settles a condition if it is true now. */
function look(condition: Condition): boolean {
  let [isTrue, problem]: [boolean, unknown] = [false, undefined];
  try {
    isTrue = runIn(condition.context, condition.isTrue);
  } catch (error) {
    [isTrue, problem] = [true, error];
  }
  if (!isTrue) return false;
  run.conditions.delete(condition);
  closeWait(condition.wait);
  if (problem === undefined) condition.waiter.resolve(undefined);
  else condition.waiter.reject(problem);
  return true;
}

/**
 * Waits until a condition over the workflow's own state is true.
 *
 * It is looked at at once, and whenever the workflow has been told something and has done all it
 * could. It should only look, not change anything.
 *
 * Rejects with a cancellation if the current scope is canceled first, or was already.
 */
export function waitUntil(isTrue: () => boolean): Promise<void> {
  assertActive("waitUntil");
  return new Promise((resolve, reject) => {
    if (isTrue() && cancellation.getCancel(currentScope()) === null) {
      resolve();
      return;
    }
    const waiter = { resolve: resolve as () => void, reject };
    const wait = openWait("condition", {
      resolve: () => {},
      reject: (reason) => {
        run.conditions.delete(condition);
        reject(reason);
      },
    });
    const condition: Condition = { isTrue, wait, context: context(), waiter };
    run.conditions.add(condition);
  });
}

/**
 * Awaits any promise, but gives up when the current scope is canceled.
 *
 * For promises that know nothing of the host: by themselves they leave a canceled workflow waiting.
 *
 * Rejects with a cancellation if the current scope is canceled first, or was already.
 */
export function orCanceled<T>(promise: PromiseLike<T> | T): Promise<T> {
  assertActive("orCanceled");
  return new Promise<T>((resolve, reject) => {
    const wait = openWait("future", { resolve: () => {}, reject });
    Promise.resolve(promise).then(
      (value) => { closeWait(wait); resolve(value); },
      (reason: unknown) => { closeWait(wait); reject(reason); },
    );
  });
}
