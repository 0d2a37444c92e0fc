//! Compensations: activities that undo what a run has done.
//!
//! They are registered with the host, which runs them when the workflow ends with a failure: newest
//! first, one at a time, shielded from cancellation, after everything they undo has settled. The
//! workflow needs no code for that.

import * as host from "sandglass:workflow/compensation@0.1.0";
import type { ActivityCall } from "./activity";
import { Operation } from "./operation";
import { call } from "./options";
import { assertActive, currentScope, mayCommand } from "./run";

/** When a compensation runs: if what it undoes has, or may have, taken effect; or always. */
export type RunWhen = host.RunWhen;

/** A registered compensation. */
export class Compensation {
  /** None if what it would undo was never started. */
  readonly #id: number | undefined;

  private constructor(id: number | undefined) {
    this.#id = id;
  }

  /**
   * Registers a compensation that undoes no particular activity: it always runs.
   *
   * A replay compares the registration with the recorded one. It works in a canceled scope, too.
   *
   * Throws if an argument has no JSON form.
   */
  static register(undo: ActivityCall<unknown>): Compensation {
    assertActive("a compensation");
    return Compensation.push(null, undo, "always");
  }

  /** Replaces the arguments by those of `undo`, once the result of what it undoes is known. */
  setArguments(undo: ActivityCall<unknown>): void {
    const values = undo.encoded();
    if (this.#id !== undefined && mayCommand()) host.setCompensationArguments(this.#id, values);
  }

  /** @internal */
  static push(undoes: number | null, undo: ActivityCall<unknown>, when: RunWhen): Compensation {
    const described = call(undo.type, undo.encoded(), undo.options);
    return new Compensation(host.pushCompensation(currentScope(), undoes, described, when));
  }

  /** @internal */
  static none(): Compensation {
    return new Compensation(undefined);
  }
}

/**
 * Says what the failure of a compensation means from now on for those that were to run after it: by
 * default they run nevertheless, with `true` they do not. The run shows what was not undone.
 */
export function stopCompensatingOnFailure(stop: boolean): void {
  assertActive("stopCompensatingOnFailure");
  host.stopCompensatingOnFailure(stop);
}

/**
 * Runs the compensations of the current scope, and of the scopes below it, now. Those of a scope
 * that has ended are its parent's.
 *
 * Those that run are no longer registered. Cancellation does not stop them. Rejects with the
 * failure of one that failed.
 */
export function compensate(): Operation<void> {
  assertActive("compensate");
  return new Operation(() => host.compensate(currentScope()), () => {});
}
