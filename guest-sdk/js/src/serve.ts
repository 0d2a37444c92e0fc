//! What a component exports: the interface `guest`, made of the functions of a module.

import * as execution from "sandglass:workflow/execution@0.1.0";
import type { Event, Guest } from "sandglass:workflow/guest@0.1.0";
import * as info from "sandglass:workflow/info@0.1.0";
import { childStarted } from "./child";
import { isCancellation, isMistake, toLinks } from "./failure";
import { answerQuery, deliverUpdate, refuseEarly, validate } from "./handlers";
import { describeError, write } from "./log";
import { type Payload, decodeAll, encode } from "./payload";
import { ROOT, runIn, takeUnhandled } from "./promise";
import { run, settle, work } from "./run";
import { deliverSignal } from "./signals";

type Workflow = (...values: unknown[]) => unknown;

/** Makes the exports of a component whose workflow types are the functions of a module. */
export function serve(module: Record<string, unknown>): Guest {
  const workflows = new Map(Object.entries(module).filter(isWorkflow));
  return {
    definitions: () => {
      run.alive = true;
      return [...workflows.keys()].map((name) => ({ name }));
    },
    activate: (occurred) => {
      run.alive = true;
      if (run.completed) return;
      run.active = true;
      run.origin ??= info.now();
      runIn(ROOT, () => take(workflows, occurred));
      work();
      if (run.mistake) fail(run.mistake.error);
      if (occurred.tag === "initialize" && !run.completed) refuseEarly();
      tellUnhandled();
      run.active = false;
    },
    query: (name, values) => look(() => answerQuery(name, values)),
    validateUpdate: (requested) => look(() => validate(requested)),
  };
}

function isWorkflow(entry: [string, unknown]): entry is [string, Workflow] {
  const [, value] = entry;
  return typeof value === "function" && !/^class\b/.test(Function.prototype.toString.call(value));
}

function take(workflows: Map<string, Workflow>, { tag, val }: Event): void {
  switch (tag) {
    case "initialize":
      return begin(workflows, val.workflowType, val.arguments);
    case "signal-received":
      return deliverSignal(val.name, val.arguments);
    case "update-requested":
      return deliverUpdate(val);
    case "cancel-requested":
      return canceled(0);
    case "scope-canceled":
      return canceled(val.scope);
    case "child-started":
      return childStarted(val.operation, val.runId);
    default:
      return settle(val.operation, val.outcome);
  }
}

function canceled(scope: number): void {
  const waiters = run.cancelWaiters.get(scope) ?? [];
  run.cancelWaiters.delete(scope);
  for (const wake of waiters) wake();
}

function begin(workflows: Map<string, Workflow>, type: string, values: Payload[]): void {
  const workflow = workflows.get(type);
  if (!workflow) fail(new Error(`this component has no workflow type \`${type}\``));
  run.begun = true;
  const body = async (): Promise<Payload> =>
    encode(await (workflow as Workflow)(...decodeAll(values, `workflow ${type}`)));
  body().then(
    (val) => complete({ tag: "completed", val }),
    (error: unknown) => {
      if (isMistake(error)) run.mistake ??= { error };
      else complete({ tag: "failed", val: toLinks(error) });
    },
  );
}

function complete(outcome: execution.Outcome): void {
  if (run.completed) return;
  execution.complete(outcome);
  run.completed = true;
}

/** Answers without changing anything. */
function look<T>(f: () => T): T {
  run.alive = true;
  run.active = true;
  try {
    return runIn(ROOT, f);
  } catch (error) {
    throw { payload: toLinks(error) };
  } finally {
    run.active = false;
  }
}

/** Rejections that nobody handles are told: they are mistakes more often than not. */
function tellUnhandled(): void {
  for (const reason of takeUnhandled()) {
    if (isCancellation(reason)) continue;
    if (isMistake(reason)) fail(reason);
    write("warn", "sandglass", `nobody handles a rejection: ${describeError(reason)}`);
  }
}

/** Fails the workflow task; what was logged last is what it is said to have failed with. */
function fail(error: unknown): never {
  write("error", "sandglass", describeError(error));
  throw error;
}
