//! Signals: messages that clients send to a run.

import * as cancellation from "sandglass:workflow/cancellation@0.1.0";
import { type Payload, decodeAll } from "./payload";
import { ROOT, runIn } from "./promise";
import { assertActive, closeWait, currentScope, openWait } from "./run";

/** The signals of one name. */
interface Mailbox {
  /** Arguments of those that nobody has taken. */
  readonly waiting: Payload[][];
  /** Who waits for the next one, in the order of asking. */
  readonly receivers: Set<(values: Payload[]) => void>;
  /** Who takes each of them. */
  handler: ((values: Payload[]) => void) | undefined;
}

const mailboxes = new Map<string, Mailbox>();

function mailbox(name: string): Mailbox {
  let found = mailboxes.get(name);
  if (!found) {
    found = { waiting: [], receivers: new Set(), handler: undefined };
    mailboxes.set(name, found);
  }
  return found;
}

/** A signal has come. @internal */
export function deliverSignal(name: string, values: Payload[]): void {
  const { waiting, receivers, handler } = mailbox(name);
  const [receiver] = receivers;
  if (handler) handler(values);
  else if (receiver) receiver(values);
  else waiting.push(values);
}

/** Receives the signals of one name, in the order in which they were recorded. */
export class Signals<T> implements AsyncIterable<T> {
  /** The name. */
  readonly name: string;

  /** @internal */
  constructor(name: string) {
    this.name = name;
  }

  /**
   * Waits for the next signal and takes it: its argument, or a list of them if there are several.
   *
   * Rejects with a cancellation if the current scope is canceled first, or was already.
   */
  receive(): Promise<T> {
    assertActive("receive");
    return new Promise((resolve, reject) => {
      const box = mailbox(this.name);
      if (cancellation.getCancel(currentScope()) === null && box.waiting.length > 0) {
        resolve(this.#decode(box.waiting.shift() as Payload[]));
        return;
      }
      const wait = openWait(`signal ${this.name}`, {
        resolve: () => {},
        reject: (reason) => {
          box.receivers.delete(take);
          reject(reason);
        },
      });
      const take = (values: Payload[]): void => {
        box.receivers.delete(take);
        closeWait(wait);
        try {
          resolve(this.#decode(values));
        } catch (error) {
          reject(error);
        }
      };
      box.receivers.add(take);
    });
  }

  /** Takes the next signal if there is one, in a canceled scope too. */
  tryReceive(): { value: T } | undefined {
    const values = mailbox(this.name).waiting.shift();
    return values && { value: this.#decode(values) };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, never> {
    for (;;) yield await this.receive();
  }

  #decode(values: Payload[]): T {
    const decoded = decodeAll(values, `signal ${this.name}`);
    return (decoded.length > 1 ? decoded : decoded[0]) as T;
  }
}

/**
 * Returns a receiver of the signals of one name.
 *
 * Signals are kept until somebody takes them, also those that came before this call. Two receivers
 * of the same name share them: each signal is taken once.
 */
export function signals<T = unknown>(name: string): Signals<T> {
  assertActive("signals");
  return new Signals(name);
}

/**
 * Calls a function for each signal of a name from now on, in the root scope, and at once for those
 * that wait already. What it rejects with ends nothing; it is logged.
 */
export function onSignal<A extends unknown[]>(name: string, f: (...values: A) => unknown): void {
  assertActive("onSignal");
  const box = mailbox(name);
  box.handler = (values) => {
    runIn(ROOT, () => {
      void (async () => f(...(decodeAll(values, `signal ${name}`) as A)))();
    });
  };
  for (const values of box.waiting.splice(0)) box.handler(values);
}
