//! Continuing a run as another one, so that its history does not grow for ever.

import * as execution from "sandglass:workflow/execution@0.1.0";
import { type SearchAttributes, searchEntries } from "./attributes";
import { type RetryPolicy, policy } from "./options";
import { type Payload, encode, encodeEntries } from "./payload";
import { assertActive, run } from "./run";
import { type Duration, optionalMillis } from "./time";

/** How the next run differs from this one. What is not set stays as it is. */
export interface ContinueOptions {
  /** The workflow type, of the same component. */
  workflowType?: string;
  /** The task queue. */
  taskQueue?: string;
  /** Limits the next run. */
  workflowRunTimeout?: Duration;
  /** When a failed run is tried again. Attempts are counted from 1 again in any case. */
  retry?: RetryPolicy;
  /** Headers, in place of those of this run. */
  headers?: Record<string, Payload>;
  /** The memo, in place of that of this run. */
  memo?: Record<string, unknown>;
  /** The search attributes, in place of those of this run. */
  searchAttributes?: SearchAttributes;
  /** Keeps a request to cancel this run from the next one. */
  dropCancel?: boolean;
  /** Forgets registered compensations. With any left a run cannot be continued. */
  dropCompensations?: boolean;
}

/**
 * Ends the run and continues it by another of the same workflow id, with an empty history.
 *
 * `return await continueAsNew([next])` does not come back: after the end nothing runs. It works in
 * a canceled run. A replay compares it with what was recorded.
 *
 * Throws if an argument or memo value has no JSON form. If compensations are registered and not
 * dropped, or the component does not have the type, the workflow task fails.
 */
export function continueAsNew(
  values: unknown[] = [], options: ContinueOptions = {},
): Promise<never> {
  assertActive("continueAsNew");
  const { headers, memo, searchAttributes } = options;
  const val: execution.Continuation = {
    workflowType: options.workflowType ?? null,
    arguments: values.map(encode),
    taskQueue: options.taskQueue ?? null,
    runTimeout: optionalMillis(options.workflowRunTimeout),
    retry: policy(options.retry),
    header: headers ? Object.entries(headers) : null,
    memo: memo ? encodeEntries(memo) : null,
    searchAttributes: searchAttributes ? searchEntries(searchAttributes) : null,
    dropCancel: options.dropCancel ?? false,
    dropCompensations: options.dropCompensations ?? false,
  };
  execution.complete({ tag: "continue-as-new", val });
  run.completed = true;
  return new Promise<never>(() => {});
}
