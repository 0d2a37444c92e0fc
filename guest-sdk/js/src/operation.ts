//! Promises of what the host does for the run.

import * as cancellation from "sandglass:workflow/cancellation@0.1.0";
import { fromHost } from "./failure";
import { DurablePromise } from "./promise";
import { closeWait, currentScope, mayCommand, openWait, run } from "./run";

/**
 * Something that the host does for this run, and the promise of how it ends.
 *
 * It belongs to the scope that was current when it was started, wherever it is awaited. Awaited in
 * another scope, the cancellation of that one shows there as well.
 *
 * Nobody has to await it: a rejection that nobody looks at is not reported.
 */
export class Operation<T> extends DurablePromise<T> {
  /** The operation's number; none if its scope was canceled already and nothing was started. */
  readonly id: number | undefined;
  readonly #scope: number;
  #open: boolean;

  /**
   * Starts it. What `start` throws, as the cancellation of its scope, is what awaiting it throws.
   * @internal
   */
  constructor(start: () => number, decode: (value: unknown) => T) {
    let settle: { resolve: (value: T) => void; reject: (reason: unknown) => void } | undefined;
    super((resolve, reject) => { settle = { resolve, reject }; });
    // A base class calls its executor before its constructor returns.
    const { resolve, reject } = settle as unknown as NonNullable<typeof settle>;
    this.#scope = currentScope();
    this.#open = true;
    super.then(undefined, () => {});
    try {
      this.id = start();
      run.waiters.set(this.id, {
        resolve: (value) => {
          this.#open = false;
          try {
            resolve(decode(value));
          } catch (error) {
            reject(error);
          }
        },
        reject: (reason) => { this.#open = false; reject(reason); },
      });
    } catch (error) {
      this.#open = false;
      reject(fromHost(error));
    }
  }

  /** What `then` makes is an ordinary promise. */
  static override get [Symbol.species](): typeof DurablePromise {
    return DurablePromise;
  }

  /** Cancels it. How it ends, by default with the cancellation, is awaited as before. */
  cancel(): void {
    if (this.id !== undefined && mayCommand()) cancellation.cancelOperation(this.id);
  }

  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (!this.#open || !mayCommand() || currentScope() === this.#scope) {
      return super.then(fulfilled, rejected);
    }
    return new Promise<T>((resolve, reject) => {
      const wait = openWait("operation of another scope", { resolve: () => {}, reject });
      super.then(
        (value) => { closeWait(wait); resolve(value); },
        (reason) => { closeWait(wait); reject(reason); },
      );
    }).then(fulfilled, rejected);
  }
}

/** Makes a kind of operation one that `Promise.resolve`, and so `await`, takes as it is. */
export function awaitedAsItIs(kind: { prototype: object }): void {
  const constructor = { value: DurablePromise, configurable: true, writable: true };
  Object.defineProperty(kind.prototype, "constructor", constructor);
}

awaitedAsItIs(Operation);
