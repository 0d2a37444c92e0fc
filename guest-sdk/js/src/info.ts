//! What a workflow may know about itself.

import * as host from "sandglass:workflow/info@0.1.0";
import { type Failure, fromLinks } from "./failure";
import { decode } from "./payload";
import { assertActive } from "./run";

/** The identity of a run. */
export type Execution = host.Execution;
/** How large the run's history is. */
export type HistorySize = host.HistorySize;

/** Where a run stands among those that follow each other. */
export interface Chain {
  /** The first run. */
  firstRunId: string;
  /** The run before this one. */
  continuedFrom: string | undefined;
  /** Which attempt of the retry policy this run is, from 1. */
  attempt: number;
  /** The cron schedule. */
  cron: string | undefined;
  /** The value of the last run that returned one. */
  lastResult: unknown;
  /** The failure of the run before this one, if that failed. */
  lastFailure: Failure | undefined;
}

/** Returns the identity of this run; the same in every replay. */
export function execution(): Execution {
  assertActive("execution");
  return host.getExecution();
}

/** Returns how large the history is; a replay is told what was recorded. */
export function historySize(): HistorySize {
  assertActive("historySize");
  return host.getHistory();
}

/** Returns where this run stands in its chain; the same in every replay. */
export function chain(): Chain {
  assertActive("chain");
  const found = host.getChain();
  return {
    firstRunId: found.firstRunId,
    continuedFrom: found.continuedFrom ?? undefined,
    attempt: found.attempt,
    cron: found.cron ?? undefined,
    lastResult: found.lastResult ? decode(found.lastResult, "the last run's result") : undefined,
    lastFailure: found.lastFailure ? fromLinks(found.lastFailure) : undefined,
  };
}

/**
 * Tells whether to go the way of a patch: a change that runs begun before it must not see.
 *
 * A run that comes by here for the first time in new code is answered yes, which is recorded. A run
 * whose history shows that it came by before there was a patch is answered no, to the end.
 */
export function patched(id: string): boolean {
  assertActive("patched");
  return host.patched(id);
}

/** Says that every open run goes the way of a patch. Code without it replays the same. */
export function deprecatePatch(id: string): void {
  assertActive("deprecatePatch");
  host.deprecatePatch(id);
}
