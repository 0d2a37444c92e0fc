//! Failures: why a workflow, an activity or an awaited operation did not succeed.
//!
//! The classes are those of Temporal's taxonomy. A failure's `cause` says what is behind it: that
//! of an `ActivityFailure` how the activity failed.

import type {
  CancelInfo, Failure as Links, FailureInfo, FailureLink, Payload, RetryState, TimeoutKind,
} from "sandglass:workflow/types@0.1.0";
import { decode, encode } from "./payload";

export type { RetryState, TimeoutKind };

/** What the failures made here name as their source. */
const SOURCE = "sandglass-js";

/** The base of all failures. What a workflow throws of this kind ends it. */
export abstract class Failure extends Error {
  /** The link as the host gave it, if it did. */
  readonly #given: FailureLink | undefined;

  /** @internal */
  protected constructor(message: string, given?: FailureLink, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.#given = given;
  }

  /** What belongs to this kind of failure. @internal */
  protected abstract info(): FailureInfo;

  /** This failure without its cause, as the host takes it. @internal */
  link(): FailureLink {
    const given = this.#given;
    if (given) return given;
    const [message, stackTrace] = [this.message, this.stack ?? ""];
    return { message, source: SOURCE, stackTrace, encodedAttributes: null, info: this.info() };
  }
}

/** How an [`ApplicationFailure`] differs from the plainest one. */
export interface ApplicationOptions {
  /** The name that retry policies and callers go by. Default: `Error`. */
  type?: string;
  /** Whether another attempt cannot cure it. */
  nonRetryable?: boolean;
  /** Values that describe it. */
  details?: unknown[];
  /** Overrides the wait before the next attempt, in milliseconds. */
  nextRetryDelay?: number;
  /** What is behind it. */
  cause?: unknown;
}

/** An error that user code raised, here or in an activity. */
export class ApplicationFailure extends Failure {
  /** The name that retry policies and callers go by. */
  readonly type: string;
  /** Whether another attempt cannot cure it. */
  readonly nonRetryable: boolean;
  /** Values that describe it. */
  readonly details: unknown[];
  /** Overrides the wait before the next attempt, in milliseconds. */
  readonly nextRetryDelay: number | undefined;

  constructor(message: string, options: ApplicationOptions = {}, given?: FailureLink) {
    super(message, given, options.cause);
    this.type = options.type ?? "Error";
    this.nonRetryable = options.nonRetryable ?? false;
    const values = options.details ?? [];
    this.details = given ? values : told(values);
    this.nextRetryDelay = options.nextRetryDelay;
  }

  protected info(): FailureInfo {
    return {
      tag: "application",
      val: {
        failureType: this.type,
        nonRetryable: this.nonRetryable,
        details: this.details.map(encode),
        nextRetryDelay: this.nextRetryDelay ?? null,
      },
    };
  }
}

/** Something was canceled: the run, a scope, or what was awaited. */
export class CanceledFailure extends Failure {
  /** Values that the canceled side reported. */
  readonly details: unknown[];
  /** Whether it is known to have ended. If not, its effect may still happen. */
  readonly settled: boolean;
  /** Why, by whom and when its scope was canceled, if that is what canceled it. */
  readonly request: CancelInfo | undefined;

  constructor(message: string, details: unknown[] = [], given?: FailureLink, cause?: unknown) {
    super(message, given, cause);
    this.details = given ? details : told(details);
    const canceled = given?.info.tag === "canceled" ? given.info.val : undefined;
    this.settled = canceled?.settled ?? true;
    this.request = canceled?.request ?? undefined;
  }

  protected info(): FailureInfo {
    const details = this.details.map(encode);
    return { tag: "canceled", val: { details, identity: "", settled: true, request: null } };
  }
}

/** A limit on time was exceeded, by an activity or a scope; that of a scope is start-to-close. */
export class TimeoutFailure extends Failure {
  /** The limit. */
  readonly kind: TimeoutKind;
  /** Details of the last heartbeat. */
  readonly lastHeartbeatDetails: unknown[];

  constructor(message: string, kind: TimeoutKind, given?: FailureLink, cause?: unknown) {
    super(message, given, cause);
    this.kind = kind;
    const timeout = given?.info.tag === "timeout" ? given.info.val : undefined;
    this.lastHeartbeatDetails = details(timeout?.lastHeartbeatDetails ?? []);
  }

  protected info(): FailureInfo {
    return { tag: "timeout", val: { kind: this.kind, lastHeartbeatDetails: [] } };
  }
}

/** A failure that only the host makes. */
abstract class HostFailure extends Failure {
  readonly #info: FailureInfo;

  /** @internal */
  constructor(given: FailureLink, cause?: unknown) {
    super(given.message, given, cause);
    this.#info = given.info;
  }

  protected info(): FailureInfo {
    return this.#info;
  }
}

/** An activity failed. The cause says how. */
export class ActivityFailure extends HostFailure {
  /** The activity type. */
  readonly activityType: string;
  /** The activity id. */
  readonly activityId: string;
  /** Why there is no further attempt. */
  readonly retryState: RetryState;

  /** @internal */
  constructor(given: FailureLink, cause?: unknown) {
    super(given, cause);
    const activity = given.info.tag === "activity" ? given.info.val : undefined;
    this.activityType = activity?.activityType ?? "";
    this.activityId = activity?.activityId ?? "";
    this.retryState = activity?.retryState ?? "in-progress";
  }
}

/** A child workflow failed. The cause says how. */
export class ChildWorkflowFailure extends HostFailure {
  /** The child's workflow id. */
  readonly workflowId: string;
  /** The child's run id. */
  readonly runId: string;
  /** The child's workflow type. */
  readonly workflowType: string;
  /** Why there is no further run. */
  readonly retryState: RetryState;

  /** @internal */
  constructor(given: FailureLink, cause?: unknown) {
    super(given, cause);
    const child = given.info.tag === "child-workflow" ? given.info.val : undefined;
    this.workflowId = child?.workflowId ?? "";
    this.runId = child?.runId ?? "";
    this.workflowType = child?.workflowType ?? "";
    this.retryState = child?.retryState ?? "in-progress";
  }
}

/** A run was terminated. */
export class TerminatedFailure extends HostFailure {}

/** The host failed. */
export class ServerFailure extends HostFailure {}

// Not the classes' own names, which a bundler may change.
for (const [kind, name] of [
  [ApplicationFailure, "ApplicationFailure"], [CanceledFailure, "CanceledFailure"],
  [TimeoutFailure, "TimeoutFailure"], [ActivityFailure, "ActivityFailure"],
  [ChildWorkflowFailure, "ChildWorkflowFailure"], [TerminatedFailure, "TerminatedFailure"],
  [ServerFailure, "ServerFailure"],
] as const) {
  const value = { value: name, configurable: true, writable: true };
  Object.defineProperty(kind.prototype, "name", value);
}

/**
 * Whether this is a cancellation, bare or as the cause of an activity's or child's failure.
 *
 * A workflow that throws such an error after a request for its cancellation is canceled; with any
 * other error, or without a request, it is failed.
 */
export function isCancellation(error: unknown): error is Failure {
  return reason(error) instanceof CanceledFailure;
}

/** Whether a limit on time was exceeded, by a scope or by an activity or child. */
export function isTimeout(error: unknown): error is Failure {
  return reason(error) instanceof TimeoutFailure;
}

/** What happened: the cause, if the error itself only says to whom. */
function reason(error: unknown): unknown {
  const names = error instanceof ActivityFailure || error instanceof ChildWorkflowFailure;
  return names && error.cause !== undefined ? error.cause : error;
}

/** Values that describe a failure. One that does not decode is what its payload is. */
function details(payloads: Payload[]): unknown[] {
  return payloads.map((one) => {
    try {
      return decode(one, "a failure's detail");
    } catch {
      return one;
    }
  });
}

/** Refuses details that have no JSON form here, where they are given: not where they are told. */
function told(details: unknown[]): unknown[] {
  for (const detail of details) encode(detail);
  return details;
}

/** A failure that the host gave. */
export function fromLinks(links: Links): Failure {
  let failure: Failure | undefined;
  for (const link of [...links].reverse()) failure = fromLink(link, failure);
  if (!failure) throw new TypeError("the contract says that a failure is never empty");
  return failure;
}

function fromLink(link: FailureLink, cause: Failure | undefined): Failure {
  const { info, message } = link;
  switch (info.tag) {
    case "application": {
      const { failureType: type, nonRetryable, nextRetryDelay } = info.val;
      const options: ApplicationOptions = { type, nonRetryable, cause };
      options.details = details(info.val.details);
      if (nextRetryDelay !== null) options.nextRetryDelay = nextRetryDelay;
      return new ApplicationFailure(message, options, link);
    }
    case "canceled":
      return new CanceledFailure(message, details(info.val.details), link, cause);
    case "timeout":
      return new TimeoutFailure(message, info.val.kind, link, cause);
    case "activity":
      return new ActivityFailure(link, cause);
    case "child-workflow":
      return new ChildWorkflowFailure(link, cause);
    case "terminated":
      return new TerminatedFailure(link, cause);
    case "server":
      return new ServerFailure(link, cause);
  }
}

/** An import's error: what the host has refused with. */
export function fromHost(error: unknown): unknown {
  const payload = (error as { payload?: unknown } | null)?.payload;
  return Array.isArray(payload) ? fromLinks(payload as Links) : error;
}

/** An error as the host takes it, with its causes. */
export function toLinks(error: unknown): Links {
  const links: Links = [];
  const seen = new Set<unknown>();
  for (let at: unknown = error; at !== undefined && at !== null && !seen.has(at); ) {
    seen.add(at);
    links.push((at instanceof Failure ? at : application(at)).link());
    at = at instanceof Error ? at.cause : undefined;
  }
  return links.length > 0 ? links : [application(error).link()];
}

function application(error: unknown): ApplicationFailure {
  if (!(error instanceof Error)) return new ApplicationFailure(String(error));
  const failure = new ApplicationFailure(error.message, { type: error.name });
  if (error.stack !== undefined) failure.stack = error.stack;
  return failure;
}

/**
 * Whether an error is a mistake in the code, which a mended component cures: it fails the workflow
 * task, and the run waits. Any other error ends what it is thrown out of.
 */
export function isMistake(error: unknown): boolean {
  return [TypeError, ReferenceError, RangeError].some((kind) => error instanceof kind);
}
