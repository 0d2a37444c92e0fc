//! Child workflows: runs of their own that a workflow starts and waits for.

import * as children from "sandglass:workflow/children@0.1.0";
import { type SearchAttributes, searchEntries } from "./attributes";
import { Operation, awaitedAsItIs } from "./operation";
import { type RetryPolicy, policy } from "./options";
import { type Payload, decode, encode, encodeEntries } from "./payload";
import { assertActive, currentScope, run } from "./run";
import { type Duration, optionalMillis } from "./time";

/** Options of a child workflow. What is not set keeps its default. */
export interface ChildOptions<A extends unknown[] = unknown[]> {
  /** Its arguments. */
  args?: A;
  /** The child's workflow id. Default: this run's run id, `_` and a number. */
  workflowId?: string;
  /** The task queue. Default: that of this run. */
  taskQueue?: string;
  /** Limits the child's run. Default: no limit. */
  workflowRunTimeout?: Duration;
  /** Limits all runs of the child together, where one follows another. Default: no limit. */
  workflowExecutionTimeout?: Duration;
  /** What cancellation does to it. Default: it is asked to end, and how it ends is awaited. */
  cancellationType?: children.ChildCancellationType;
  /** What becomes of it when this run ends before it. Default: it is terminated. */
  parentClosePolicy?: children.ParentClosePolicy;
  /** When a failed run of it is followed by another. Default: a failure ends it. */
  retry?: RetryPolicy;
  /** The cron schedule by which it is repeated, in UTC. */
  cronSchedule?: string;
  /** Whether its workflow id may have been used before. Default: it may. */
  workflowIdReusePolicy?: children.IdReusePolicy;
  /** Its memo. */
  memo?: Record<string, unknown>;
  /** Its search attributes. */
  searchAttributes?: SearchAttributes;
  /** Headers: context that is no argument. */
  headers?: Record<string, Payload>;
}

/** Who waits for the start of a child. */
const starting = new Map<number, (runId: string) => void>();

/**
 * A child workflow that was started: the promise of its result.
 *
 * A replay is given the recorded result and starts nothing. It rejects with a
 * `ChildWorkflowFailure`, whose cause says how it failed.
 *
 * When its scope is canceled, its `cancellationType` decides: by default the child is asked to end,
 * and this waits for how it ends. In a scope that was canceled before the call, nothing is started
 * and this rejects with the cancellation.
 */
export class Child<R> extends Operation<R> {
  readonly #started: Promise<string>;

  /** @internal */
  constructor(type: string, options: ChildOptions) {
    assertActive(`the child workflow ${type}`);
    super(
      () => children.startChild(currentScope(), describe(type, options)),
      (value) => decode(value as Payload, `the result of ${type}`) as R,
    );
    this.#started = new Promise((resolve, reject) => {
      if (this.id !== undefined) starting.set(this.id, resolve);
      super.then(undefined, reject);
    });
    this.#started.catch(() => {});
  }

  /** Waits until it has started, and returns its run id. Rejects with why it was not started. */
  started(): Promise<string> {
    return this.#started;
  }
}

awaitedAsItIs(Child);

/** Notes that a child was started. @internal */
export function childStarted(operation: number, runId: string): void {
  if (run.completed) return;
  starting.get(operation)?.(runId);
  starting.delete(operation);
}

/**
 * Starts a child workflow in the current scope: a type of this component or of another one that the
 * host has loaded. Awaiting what it returns awaits its result.
 */
export function startChild<R = unknown, A extends unknown[] = unknown[]>(
  type: string | ((...values: A) => Promise<R>), options: ChildOptions<A> = {},
): Child<R> {
  return new Child<R>(typeof type === "string" ? type : type.name, options);
}

function describe(type: string, options: ChildOptions): children.ChildCall {
  return {
    workflowType: type,
    workflowId: options.workflowId ?? null,
    taskQueue: options.taskQueue ?? null,
    arguments: (options.args ?? []).map(encode),
    header: Object.entries(options.headers ?? {}),
    runTimeout: optionalMillis(options.workflowRunTimeout),
    cancellation: options.cancellationType ?? "wait-cancellation-completed",
    parentClose: options.parentClosePolicy ?? "terminate",
    executionTimeout: optionalMillis(options.workflowExecutionTimeout),
    retry: policy(options.retry),
    cron: options.cronSchedule ?? null,
    idReuse: options.workflowIdReusePolicy ?? "allow-duplicate",
    memo: encodeEntries(options.memo),
    searchAttributes: searchEntries(options.searchAttributes ?? {}),
  };
}
