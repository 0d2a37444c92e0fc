//! Workflows that have to do with other runs.

import { log, startChild } from "sandglass";

/** Waits for how a canceled child ends. It is given the workflow id of the child. */
export async function a13(workflowId: string): Promise<unknown> {
  const child = startChild("a01", { workflowId });
  const started = await child.started().then(() => true, () => false);
  log.info(`started: ${started}`);
  return await child;
}
