//! Cancellation scopes.
//!
//! The scopes of a run form a tree with the run itself as its root. Canceling one cancels what was
//! started in it, in the order of starting, and then its children. An activity, timer or wait
//! belongs to the scope that was current when its function was called; the code after an `await` is
//! in the scope of the code before it. So write `withTimeout("10s", () => work())`.

import * as cancellation from "sandglass:workflow/cancellation@0.1.0";
import type { CancelCause, CancelInfo } from "sandglass:workflow/types@0.1.0";
import { TimeoutFailure, isCancellation } from "./failure";
import { type Context, context, runIn } from "./promise";
import { assertActive, closeWait, currentScope, mayCommand, openWait, run } from "./run";
import { type Duration, millis } from "./time";

export type { CancelCause, CancelInfo };

/**
 * A scope that code holds, to run functions in it and to cancel it.
 *
 * It closes when the last function that runs in it is done; what is left in it is canceled then.
 * With `using` it closes at the end of the block at the latest. A detached scope is closed by
 * `close` only.
 *
 * Opening, canceling and closing are commands: a replay compares them with the recorded ones.
 */
export class Scope {
  readonly #context: Context;
  readonly #detached: boolean;
  #running = 0;
  #closed = false;

  private constructor(kind: cancellation.ScopeKind) {
    assertActive("a scope");
    this.#detached = kind.tag === "detached";
    this.#context = { ...context(), scope: cancellation.openScope(currentScope(), kind) };
  }

  /** Opens a scope that is canceled together with its parent, the current scope. */
  static cancellable(): Scope {
    return new Scope({ tag: "cancellable" });
  }

  /** Opens a scope whose operations go on when its parent is canceled; it is told of that. */
  static shielded(): Scope {
    return new Scope({ tag: "shielded" });
  }

  /** Opens a scope without any tie to its parent's cancellation. It may outlive the parent. */
  static detached(): Scope {
    return new Scope({ tag: "detached" });
  }

  /**
   * Opens a scope that is canceled when `limit` has passed. The timer starts now.
   *
   * What runs in it fails with a cancellation; the function `withTimeout` makes it a timeout.
   */
  static withTimeout(limit: Duration): Scope {
    return new Scope({ tag: "timeout", val: millis(limit) });
  }

  /** Calls a function with this as the current scope, and closes the scope when it is done. */
  async run<T>(f: () => PromiseLike<T> | T): Promise<T> {
    this.#running++;
    try {
      // What the function returns is awaited in the scope, too.
      return await this.enter(async () => await f());
    } finally {
      if (--this.#running === 0 && !this.#detached) this.close();
    }
  }

  /** Calls a function with this as the current scope, to start something in it. */
  enter<T>(f: () => T): T {
    return runIn(this.#context, f);
  }

  /**
   * Cancels the scope: what is unresolved in it, then its children. On a shielded scope it only
   * marks the request. One that is canceled or closed already stays as it is.
   */
  cancel(reason = ""): void {
    if (mayCommand()) cancellation.cancelScope(this.#context.scope, reason);
  }

  /** Closes the scope: cancels what is unresolved in it and closes its children. Never waits. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (mayCommand()) cancellation.closeScope(this.#context.scope);
  }

  /** Its cancellation, if it was canceled or, if shielded, asked to. */
  get cancelInfo(): CancelInfo | undefined {
    return cancellation.getCancel(this.#context.scope) ?? undefined;
  }

  /** Waits until the scope's cancellation is asked for. See the function `whenRequested`. */
  whenRequested(): Promise<CancelInfo> {
    return requested(this.#context.scope);
  }

  [Symbol.dispose](): void {
    if (!this.#detached) this.close();
  }
}

/** Runs a function in a scope that is canceled together with its parent. */
export function cancellable<T>(f: () => PromiseLike<T> | T): Promise<T> {
  return Scope.cancellable().run(f);
}

/**
 * Runs a function in a scope whose operations go on when its parent is canceled.
 *
 * For cleanup that the caller waits for. It can be opened in a canceled scope. After it the
 * parent's cancellation shows again.
 */
export function shielded<T>(f: () => PromiseLike<T> | T): Promise<T> {
  return Scope.shielded().run(f);
}

/**
 * Runs a function in a scope without any tie to its parent's cancellation.
 *
 * For cleanup as well. What was started in it goes on when a scope around it closes.
 */
export function detached<T>(f: () => PromiseLike<T> | T): Promise<T> {
  return Scope.detached().run(f);
}

/**
 * Runs a function in a scope that is canceled when `limit` has passed. The timer starts now.
 *
 * Rejects with what the function rejects with. If that is a cancellation because the time was up,
 * it is a `TimeoutFailure` instead, with the cancellation as its cause.
 */
export async function withTimeout<T>(limit: Duration, f: () => PromiseLike<T> | T): Promise<T> {
  const scope = Scope.withTimeout(limit);
  return scope.run(async () => {
    try {
      return await f();
    } catch (error) {
      if (!isCancellation(error) || scope.cancelInfo?.cause !== "timeout") throw error;
      const length = typeof limit === "number" ? `${limit}ms` : limit;
      const message = `the scope was not done within ${length}`;
      throw new TimeoutFailure(message, "start-to-close", undefined, error);
    }
  });
}

/**
 * Returns the cancellation of the current scope, if it was canceled or, in a shielded scope, its
 * cancellation was asked for. A replay answers the same.
 */
export function cancelInfo(): CancelInfo | undefined {
  assertActive("cancelInfo");
  return cancellation.getCancel(currentScope()) ?? undefined;
}

/** Throws the cancellation of the current scope, if it was canceled: for loops that await nothing. */
export function throwIfCanceled(): void {
  // A canceled scope opens no wait: the host's answer says why. A shield that was only asked does.
  if (cancelInfo()) closeWait(openWait("canceled", { resolve: () => {}, reject: () => {} }));
}

/**
 * Waits until the current scope's cancellation is asked for, and returns it.
 *
 * This is a notification, not a failure: it serves to notice a cancellation without being
 * interrupted. If it was asked for already, it is done at once.
 */
export function whenRequested(): Promise<CancelInfo> {
  assertActive("whenRequested");
  return requested(currentScope());
}

async function requested(scope: number): Promise<CancelInfo> {
  for (;;) {
    const info = cancellation.getCancel(scope);
    if (info) return info;
    await new Promise<void>((resolve) => {
      const waiters = run.cancelWaiters.get(scope) ?? [];
      run.cancelWaiters.set(scope, [...waiters, resolve]);
    });
  }
}
