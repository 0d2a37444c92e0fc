//! Durable workflows in TypeScript and JavaScript.
//!
//! Each function that the entry module exports is a workflow type. It is ordinary async code: it
//! calls activities, sleeps, starts child workflows and waits for signals, and what it did is
//! replayed after a crash. See the README beside this package.

/// <reference path="./wit.d.ts" />
/// <reference path="./globals.d.ts" />

export {
  Activity, ActivityCall, activity, proxyActivities, proxyLocalActivities,
  type Activities, type ActivityFunction,
} from "./activity";
export {
  memo, searchAttributes, upsertMemo, upsertSearchAttributes,
  type SearchAttributes, type SearchValue,
} from "./attributes";
export { Child, startChild, type ChildOptions } from "./child";
export { Compensation, compensate, stopCompensatingOnFailure, type RunWhen } from "./compensation";
export { continueAsNew, type ContinueOptions } from "./continuation";
export { External, external } from "./external";
export {
  ActivityFailure, ApplicationFailure, CanceledFailure, ChildWorkflowFailure, Failure,
  ServerFailure, TerminatedFailure, TimeoutFailure, isCancellation, isTimeout,
  type ApplicationOptions, type RetryState, type TimeoutKind,
} from "./failure";
export { allHandlersFinished, query, update } from "./handlers";
export {
  chain, deprecatePatch, execution, historySize, patched,
  type Chain, type Execution, type HistorySize,
} from "./info";
export { log, type Level } from "./log";
export { Operation } from "./operation";
export type {
  ActivityOptions, CancellationType, LocalActivityOptions, RetryPolicy,
} from "./options";
export { decode, encode, type Payload } from "./payload";
export { orCanceled, waitUntil } from "./run";
export {
  Scope, cancelInfo, cancellable, detached, shielded, throwIfCanceled, whenRequested, withTimeout,
  type CancelCause, type CancelInfo,
} from "./scope";
export { Signals, onSignal, signals } from "./signals";
export type { Duration } from "./time";
export { sleep } from "./timer";
