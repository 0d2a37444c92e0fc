//! Other runs, whoever started them: signals and requests to cancel.

import * as externals from "sandglass:workflow/externals@0.1.0";
import { Operation } from "./operation";
import { encode } from "./payload";
import { assertActive, currentScope } from "./run";

/** Another run. */
export class External {
  readonly #target: externals.Target;

  /** @internal */
  constructor(workflowId: string, runId: string | undefined) {
    this.#target = { workflowId, runId: runId ?? null };
  }

  /**
   * Sends it a signal. The promise tells when it is recorded there, or that there is no such open
   * run. What was sent is not called back by cancellation.
   */
  signal(name: string, ...values: unknown[]): Operation<void> {
    assertActive("a signal to another run");
    return new Operation(
      () => externals.signalExternal(currentScope(), this.#target, name, values.map(encode), []),
      () => {},
    );
  }

  /**
   * Asks it to end. The promise tells when the request is recorded there, or that there is no such
   * run; how the run ends is its own affair.
   */
  cancel(reason = ""): Operation<void> {
    assertActive("a request to cancel another run");
    return new Operation(
      () => externals.cancelExternal(currentScope(), this.#target, reason),
      () => {},
    );
  }
}

/** Another run: the newest one of a workflow id, or just this one. */
export function external(workflowId: string, runId?: string): External {
  return new External(workflowId, runId);
}
