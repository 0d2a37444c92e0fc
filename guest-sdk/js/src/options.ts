//! Options of activities and child workflows, and how the host takes them.

import type {
  ActivityCall, CancellationType, Payload, RetryPolicy as HostPolicy,
} from "sandglass:workflow/types@0.1.0";
import { type Duration, millis, optionalMillis } from "./time";

export type { CancellationType };

/** How often and when a failed activity, or run of a child, is tried again. */
export interface RetryPolicy {
  /** Wait before the second attempt. Default: 1 s. */
  initialInterval?: Duration;
  /** Factor by which the wait grows; at least 1. Default: 2. */
  backoffCoefficient?: number;
  /** Longest wait. Default: 100 times the first. */
  maximumInterval?: Duration;
  /** Most attempts. Default: no limit. */
  maximumAttempts?: number;
  /** Failure types that are not retried. */
  nonRetryableErrorTypes?: string[];
}

/** Options of an activity. What is not set keeps its default. */
export interface ActivityOptions {
  /** The activity's id, unique among the run's pending ones. Default: a number. */
  activityId?: string;
  /** Which workers take it. Default: those of the run's own task queue. */
  taskQueue?: string;
  /** Limits all attempts and the waits between them together. Default: no limit. */
  scheduleToCloseTimeout?: Duration;
  /** Limits the time until a worker begins an attempt. Default: no limit. */
  scheduleToStartTimeout?: Duration;
  /** Limits one attempt. Default: 60 s, unless `scheduleToCloseTimeout` is set. */
  startToCloseTimeout?: Duration;
  /** Limits the silence between two heartbeats of an attempt. Default: no limit. */
  heartbeatTimeout?: Duration;
  /** When it is tried again. Default: after 1 s, doubling, without limit. */
  retry?: RetryPolicy;
  /** What cancellation does to it. Default: it is asked to stop, and how it ends is awaited. */
  cancellationType?: CancellationType;
  /**
   * Limits how long a canceled activity's end is waited for. Then it fails as canceled with
   * `settled` false: its effect may still happen. Default: no limit.
   */
  waitTimeout?: Duration;
  /** Headers: context that is no argument. */
  headers?: Record<string, Payload>;
}

/** Options of a local activity. */
export interface LocalActivityOptions
  extends Pick<ActivityOptions,
    | "activityId" | "scheduleToCloseTimeout" | "startToCloseTimeout" | "retry" | "cancellationType"
    | "waitTimeout" | "headers"> {
  /**
   * The longest wait before an attempt that is waited for in the workflow task. A longer one
   * becomes a timer. Default: the host's limit on a workflow task.
   */
  retryThreshold?: Duration;
}

/** A retry policy as the host takes it. */
export function policy(retry: RetryPolicy | undefined): HostPolicy | null {
  if (!retry) return null;
  return {
    initialInterval: millis(retry.initialInterval ?? 1000),
    backoffCoefficient: retry.backoffCoefficient ?? 2,
    maximumInterval: optionalMillis(retry.maximumInterval),
    maximumAttempts: retry.maximumAttempts ?? 0,
    nonRetryableTypes: retry.nonRetryableErrorTypes ?? [],
  };
}

/** A call as the host takes it. */
export function call(type: string, values: Payload[], options: ActivityOptions): ActivityCall {
  const { startToCloseTimeout, scheduleToCloseTimeout } = options;
  const limited = startToCloseTimeout !== undefined || scheduleToCloseTimeout !== undefined;
  return {
    activityType: type,
    activityId: options.activityId ?? null,
    taskQueue: options.taskQueue ?? null,
    arguments: values,
    header: Object.entries(options.headers ?? {}),
    scheduleToClose: optionalMillis(scheduleToCloseTimeout),
    scheduleToStart: optionalMillis(options.scheduleToStartTimeout),
    startToClose: limited ? optionalMillis(startToCloseTimeout) : 60_000,
    heartbeat: optionalMillis(options.heartbeatTimeout),
    retry: policy(options.retry),
    cancellation: options.cancellationType ?? "wait-cancellation-completed",
    waitTimeout: optionalMillis(options.waitTimeout),
  };
}
