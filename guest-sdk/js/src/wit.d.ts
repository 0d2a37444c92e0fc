//! The host's interfaces as QuickJS and SpiderMonkey show them: `wit/` is where they are explained.
//! Numbers of 64 bits are exact up to 2 ** 53.

declare module "sandglass:workflow/types@0.1.0" {
  export interface Payload { metadata: [string, Uint8Array][]; data: Uint8Array }
  export type CancelCause = "requested" | "parent" | "code" | "timeout";
  export interface CancelInfo {
    cause: CancelCause; reason: string; requester: string; at: number; deadline: number | null;
  }
  export type TimeoutKind =
    | "start-to-close" | "schedule-to-start" | "schedule-to-close" | "heartbeat";
  export type RetryState =
    | "in-progress" | "non-retryable-failure" | "timeout" | "maximum-attempts-reached"
    | "retry-policy-not-set" | "internal-server-error" | "cancel-requested";
  export interface Application {
    failureType: string; nonRetryable: boolean; details: Payload[]; nextRetryDelay: number | null;
  }
  export interface Canceled {
    details: Payload[]; identity: string; settled: boolean; request: CancelInfo | null;
  }
  export interface Timeout { kind: TimeoutKind; lastHeartbeatDetails: Payload[] }
  export interface Activity {
    scheduledEventId: number; startedEventId: number; identity: string; activityType: string;
    activityId: string; retryState: RetryState;
  }
  export interface ChildWorkflow {
    workflowId: string; runId: string; workflowType: string; initiatedEventId: number;
    startedEventId: number; retryState: RetryState;
  }
  export type FailureInfo =
    | { tag: "application"; val: Application } | { tag: "canceled"; val: Canceled }
    | { tag: "timeout"; val: Timeout } | { tag: "terminated"; val: string }
    | { tag: "server"; val: boolean } | { tag: "activity"; val: Activity }
    | { tag: "child-workflow"; val: ChildWorkflow };
  export interface FailureLink {
    message: string; source: string; stackTrace: string; encodedAttributes: Payload | null;
    info: FailureInfo;
  }
  export type Failure = FailureLink[];
  export type Result<T> = { tag: "ok"; val: T } | { tag: "err"; val: Failure };
  export interface RetryPolicy {
    initialInterval: number; backoffCoefficient: number; maximumInterval: number | null;
    maximumAttempts: number; nonRetryableTypes: string[];
  }
  export type CancellationType = "wait-cancellation-completed" | "try-cancel" | "abandon";
  export interface ActivityCall {
    activityType: string; activityId: string | null; taskQueue: string | null; arguments: Payload[];
    header: [string, Payload][]; scheduleToClose: number | null; scheduleToStart: number | null;
    startToClose: number | null; heartbeat: number | null; retry: RetryPolicy | null;
    cancellation: CancellationType; waitTimeout: number | null;
  }
}

declare module "sandglass:workflow/activities@0.1.0" {
  import type { ActivityCall } from "sandglass:workflow/types@0.1.0";
  export function scheduleActivity(parent: number, call: ActivityCall): number;
  export function scheduleLocalActivity(
    parent: number, call: ActivityCall, retryThreshold: number | null,
  ): number;
}

declare module "sandglass:workflow/attributes@0.1.0" {
  import type { Payload } from "sandglass:workflow/types@0.1.0";
  export type SearchValue =
    | { tag: "keyword"; val: string } | { tag: "keyword-list"; val: string[] }
    | { tag: "text"; val: string } | { tag: "int"; val: number } | { tag: "double"; val: number }
    | { tag: "boolean"; val: boolean } | { tag: "datetime"; val: number };
  export function upsertMemo(entries: [string, Payload | null][]): void;
  export function upsertSearchAttributes(entries: [string, SearchValue | null][]): void;
  export function getMemo(): [string, Payload][];
  export function getSearchAttributes(): [string, SearchValue][];
}

declare module "sandglass:workflow/cancellation@0.1.0" {
  import type { CancelInfo } from "sandglass:workflow/types@0.1.0";
  export type ScopeKind =
    | { tag: "cancellable" } | { tag: "shielded" } | { tag: "detached" }
    | { tag: "timeout"; val: number };
  export function openScope(parent: number, kind: ScopeKind): number;
  export function cancelScope(target: number, reason: string): void;
  export function closeScope(target: number): void;
  export function cancelOperation(target: number): void;
  export function getCancel(target: number): CancelInfo | null;
}

declare module "sandglass:workflow/children@0.1.0" {
  import type { Payload, RetryPolicy } from "sandglass:workflow/types@0.1.0";
  import type { SearchValue } from "sandglass:workflow/attributes@0.1.0";
  export type ChildCancellationType =
    | "wait-cancellation-completed" | "wait-cancellation-requested" | "try-cancel" | "abandon";
  export type ParentClosePolicy = "terminate" | "request-cancel" | "abandon";
  export type IdReusePolicy =
    | "allow-duplicate" | "allow-duplicate-failed-only" | "reject-duplicate";
  export interface ChildCall {
    workflowType: string; workflowId: string | null; taskQueue: string | null; arguments: Payload[];
    header: [string, Payload][]; runTimeout: number | null; cancellation: ChildCancellationType;
    parentClose: ParentClosePolicy; executionTimeout: number | null; retry: RetryPolicy | null;
    cron: string | null; idReuse: IdReusePolicy; memo: [string, Payload][];
    searchAttributes: [string, SearchValue][];
  }
  export function startChild(parent: number, call: ChildCall): number;
}

declare module "sandglass:workflow/compensation@0.1.0" {
  import type { ActivityCall, Payload } from "sandglass:workflow/types@0.1.0";
  export type RunWhen = "effective" | "always";
  export function pushCompensation(
    owner: number, undoes: number | null, call: ActivityCall, when: RunWhen,
  ): number;
  export function setCompensationArguments(target: number, values: Payload[]): void;
  export function stopCompensatingOnFailure(stop: boolean): void;
  export function compensate(owner: number): number;
}

declare module "sandglass:workflow/execution@0.1.0" {
  import type { Failure, Payload, RetryPolicy } from "sandglass:workflow/types@0.1.0";
  import type { SearchValue } from "sandglass:workflow/attributes@0.1.0";
  export interface Continuation {
    workflowType: string | null; arguments: Payload[]; taskQueue: string | null;
    runTimeout: number | null; retry: RetryPolicy | null; header: [string, Payload][] | null;
    memo: [string, Payload][] | null; searchAttributes: [string, SearchValue][] | null;
    dropCancel: boolean; dropCompensations: boolean;
  }
  export type Outcome =
    | { tag: "completed"; val: Payload } | { tag: "failed"; val: Failure }
    | { tag: "continue-as-new"; val: Continuation };
  export function complete(how: Outcome): void;
}

declare module "sandglass:workflow/externals@0.1.0" {
  import type { Payload } from "sandglass:workflow/types@0.1.0";
  export interface Target { workflowId: string; runId: string | null }
  export function signalExternal(
    parent: number, to: Target, name: string, values: Payload[], header: [string, Payload][],
  ): number;
  export function cancelExternal(parent: number, to: Target, reason: string): number;
}

declare module "sandglass:workflow/guest@0.1.0" {
  import type { CancelInfo, Failure, Payload, Result } from "sandglass:workflow/types@0.1.0";
  export interface Update {
    id: string; name: string; arguments: Payload[]; header: [string, Payload][]; requester: string;
  }
  export type Event =
    | { tag: "initialize"; val: { workflowType: string; arguments: Payload[] } }
    | { tag: "signal-received"; val: { name: string; arguments: Payload[]; requester: string } }
    | { tag: "cancel-requested"; val: CancelInfo }
    | { tag: "scope-canceled"; val: { scope: number; info: CancelInfo } }
    | { tag: "activity-resolved"; val: { operation: number; outcome: Result<Payload> } }
    | { tag: "timer-fired"; val: { operation: number; outcome: Result<undefined> } }
    | { tag: "wait-canceled"; val: { operation: number; outcome: Result<undefined> } }
    | { tag: "child-started"; val: { operation: number; runId: string } }
    | { tag: "child-resolved"; val: { operation: number; outcome: Result<Payload> } }
    | { tag: "external-resolved"; val: { operation: number; outcome: Result<undefined> } }
    | { tag: "compensated"; val: { operation: number; outcome: Result<undefined> } }
    | { tag: "update-requested"; val: Update };
  /** What a component exports. A failure is thrown as `{ payload: failure }`. */
  export interface Guest {
    definitions(): { name: string }[];
    activate(occurred: Event): void;
    query(name: string, values: Payload[], header: [string, Payload][]): Payload;
    validateUpdate(requested: Update): void;
  }
  export type { Failure };
}

declare module "sandglass:workflow/info@0.1.0" {
  import type { Failure, Payload } from "sandglass:workflow/types@0.1.0";
  export interface Execution {
    workflowId: string; runId: string; workflowType: string; taskQueue: string;
  }
  export interface HistorySize { length: number; bytes: number; suggestContinueAsNew: boolean }
  export interface Chain {
    firstRunId: string; continuedFrom: string | null; attempt: number; cron: string | null;
    lastResult: Payload | null; lastFailure: Failure | null;
  }
  export function getHistory(): HistorySize;
  export function getChain(): Chain;
  export function getExecution(): Execution;
  export function now(): number;
  export function randomBytes(len: number): Uint8Array;
  export function patched(id: string): boolean;
  export function deprecatePatch(id: string): void;
}

declare module "sandglass:workflow/log@0.1.0" {
  export type Level = "trace" | "debug" | "info" | "warn" | "error";
  export function write(severity: Level, target: string, message: string): void;
}

declare module "sandglass:workflow/timers@0.1.0" {
  export function startTimer(parent: number, howLong: number): number;
}

declare module "sandglass:workflow/updates@0.1.0" {
  import type { Payload, Result } from "sandglass:workflow/types@0.1.0";
  export function completeUpdate(id: string, outcome: Result<Payload>): void;
}

declare module "sandglass:workflow/waits@0.1.0" {
  export function openWait(parent: number, label: string): number;
  export function closeWait(wait: number): void;
}
