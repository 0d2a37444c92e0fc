//! Who answers queries and updates, and the updates that are being answered.

import type { Update } from "sandglass:workflow/guest@0.1.0";
import * as updates from "sandglass:workflow/updates@0.1.0";
import { ApplicationFailure, isMistake, toLinks } from "./failure";
import { type Payload, decodeAll, encode } from "./payload";
import { ROOT, runIn } from "./promise";
import { assertActive, mayCommand, run } from "./run";

type Values = unknown[];

interface Handler {
  handle(...values: Values): unknown;
  validate(...values: Values): void;
}

const queries = new Map<string, (...values: Values) => unknown>();
const handlers = new Map<string, Handler>();
/** Updates that came before the workflow's code could register anything. */
let early: Update[] = [];
/** Updates that are being handled. */
let running = 0;

/**
 * Answers the queries of one name from now on, in place of an earlier function.
 *
 * It may only look, and answers at once. The host calls it in a copy of the run that is thrown
 * away: what it changes is lost, and what would start something traps, which the caller is told. A
 * query is not recorded.
 */
export function query<A extends Values>(name: string, answer: (...values: A) => unknown): void {
  assertActive("query");
  queries.set(name, answer as (...values: Values) => unknown);
}

/**
 * Handles the updates of one name from now on, in place of an earlier function.
 *
 * What the function returns is what the caller gets. It may start activities and wait; several may
 * run at once, beside the workflow, in the root scope. `validator` is asked first: an update that
 * it throws for leaves no trace in the history. It may only look, as a query may.
 *
 * Register handlers before the first `await`. When the workflow returns first, the caller gets a
 * failure of type `AcceptedUpdateCompletedWorkflow`; `allHandlersFinished` is what to wait for.
 */
export function update<A extends Values>(
  name: string,
  handler: (...values: A) => unknown,
  options: { validator?: (...values: A) => void } = {},
): void {
  assertActive("update");
  const entry: Handler = {
    handle: handler as Handler["handle"],
    validate: (options.validator ?? (() => {})) as Handler["validate"],
  };
  handlers.set(name, entry);
  const waiting = early.filter((one) => one.name === name);
  early = early.filter((one) => one.name !== name);
  for (const one of waiting) {
    // Nobody could be asked before: who refuses it now answers it with the refusal.
    handle(one, (...values) => {
      entry.validate(...values);
      return entry.handle(...values);
    });
  }
}

/** Whether no update is being handled: `waitUntil(allHandlersFinished)` before returning. */
export function allHandlersFinished(): boolean {
  assertActive("allHandlersFinished");
  return running === 0 && early.length === 0;
}

/** An update has come. @internal */
export function deliverUpdate(requested: Update): void {
  const entry = handlers.get(requested.name);
  // The host has asked the validator.
  if (entry) handle(requested, (...values) => entry.handle(...values));
  else if (run.begun) refuse(requested);
  else early.push(requested);
}

/** The code has begun and is quiescent: what nobody wanted is refused. @internal */
export function refuseEarly(): void {
  early.splice(0).forEach(refuse);
}

/** Answers a question of the host. @internal */
export function answerQuery(name: string, values: Payload[]): Payload {
  const answer = queries.get(name);
  if (!answer) throw unknown("UnknownQuery", "query", name, queries);
  const value = answer(...decodeAll(values, `query ${name}`));
  if (value instanceof Promise) {
    throw new ApplicationFailure(`query ${name} is answered by an async function`);
  }
  return encode(value);
}

/** Tells the host whether an update is to be accepted. @internal */
export function validate(requested: Update): void {
  const entry = handlers.get(requested.name);
  if (!entry) throw unknownUpdate(requested.name);
  entry.validate(...decodeAll(requested.arguments, `update ${requested.name}`));
}

function refuse(requested: Update): void {
  const val = toLinks(unknownUpdate(requested.name));
  updates.completeUpdate(requested.id, { tag: "err", val });
}

function handle(requested: Update, f: (...values: Values) => unknown): void {
  running++;
  const answer = async (): Promise<void> => {
    let outcome: Parameters<typeof updates.completeUpdate>[1];
    try {
      // As a task of its own: it begins after the code that runs now.
      await undefined;
      const values = decodeAll(requested.arguments, `update ${requested.name}`);
      outcome = { tag: "ok", val: encode(await f(...values)) };
    } catch (error) {
      if (isMistake(error)) run.mistake ??= { error };
      outcome = { tag: "err", val: toLinks(error) };
    }
    running--;
    if (mayCommand() && !run.mistake) updates.completeUpdate(requested.id, outcome);
  };
  runIn(ROOT, () => void answer());
}

function unknownUpdate(name: string): ApplicationFailure {
  return unknown("UnknownUpdate", "update", name, handlers);
}

function unknown(
  type: string, what: string, name: string, known: Map<string, unknown>,
): ApplicationFailure {
  const names = [...known.keys()].sort().map((one) => `\`${one}\``);
  const others = names.length > 0 ? `there are: ${names.join(", ")}` : "there are none";
  const message = `no ${what} \`${name}\`; ${others}`;
  return new ApplicationFailure(message, { type, nonRetryable: type === "UnknownUpdate" });
}
