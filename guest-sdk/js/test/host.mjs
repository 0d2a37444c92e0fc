//! A host of nothing but a list of what it was asked, and a realm of its own for each workflow's
//! code.

import { createRequire } from "node:module";
import { join } from "node:path";
import vm from "node:vm";

const tools = process.env.SANDGLASS_JAVASCRIPT;
const esbuild = createRequire(join(tools, "package.json"))("esbuild");
const SDK = join(import.meta.dirname, "../src");
const INTERFACES = [
  "activities", "attributes", "cancellation", "children", "compensation", "execution", "externals",
  "info", "log", "timers", "updates", "waits",
];

/** How `sandglass build` compiles: promises are the SDK's. */
export const LOWERED = { "async-await": false, "async-generator": false, "for-await": false, using: false };

/** Compiles a program that gives its exports to `global`. */
export async function compile(contents, supported = LOWERED) {
  const host = {
    name: "host",
    setup(build) {
      build.onResolve({ filter: /^sandglass:/ }, ({ path }) => ({
        path: path.replace(/^.*\/(.*)@.*$/, "$1"), namespace: "host",
      }));
      build.onLoad({ filter: /.*/, namespace: "host" }, ({ path }) => ({
        contents: `module.exports = host.${path};`, loader: "js",
      }));
    },
  };
  const built = await esbuild.build({
    stdin: { contents, resolveDir: SDK, loader: "ts" },
    bundle: true, write: false, format: "iife", globalName: "made", target: "esnext", supported,
    alias: { sandglass: join(SDK, "index.ts") }, plugins: [host], keepNames: true,
    logLevel: "error",
  });
  return built.outputFiles[0].text;
}

/** The failure of something canceled. */
export const CANCELED = [{
  message: "canceled", source: "test", stackTrace: "", encodedAttributes: null,
  info: { tag: "canceled", val: { details: [], identity: "", settled: true, request: null } },
}];

/** A workflow `w` of this code, with what it asks for since the last event. */
export async function play(code) {
  const asked = [];
  let operations = 0;
  let scopes = 0;
  const canceled = new Map();
  /** Shields whose parents were canceled. */
  const shields = new Map();
  const refuse = (scope) => {
    if (canceled.has(scope)) throw Object.assign(new Error("canceled"), { payload: CANCELED });
  };
  const operation = (what) => {
    asked.push(`${++operations} ${what}`);
    return operations;
  };
  const text = (payload) => Buffer.from(payload.data).toString();
  const list = (payloads) => payloads.map(text).join(",");
  const outcome = ({ tag, val }) =>
    tag === "completed" ? `completed ${text(val)}`
      : tag === "failed" ? `failed ${val.map((link) => link.message).join(": ")}`
        : `continued with ${list(val.arguments)}`;
  const host = Object.fromEntries(INTERFACES.map((name) => [name, {}]));
  host.activities.scheduleActivity = (scope, call) => {
    refuse(scope);
    return operation(`activity ${call.activityType}(${list(call.arguments)}) in ${scope}`);
  };
  host.timers.startTimer = (scope, length) => {
    refuse(scope);
    return operation(`timer ${length} in ${scope}`);
  };
  host.waits.openWait = (scope, label) => {
    refuse(scope);
    return operation(`wait ${label} in ${scope}`);
  };
  host.waits.closeWait = (id) => asked.push(`close-wait ${id}`);
  host.cancellation = {
    openScope: (parent, kind) => {
      asked.push(`open-scope ${++scopes} ${kind.tag} in ${parent}`);
      return scopes;
    },
    closeScope: (scope) => asked.push(`close-scope ${scope}`),
    cancelScope: (scope, reason) => asked.push(`cancel-scope ${scope} ${reason}`),
    cancelOperation: (id) => asked.push(`cancel-operation ${id}`),
    getCancel: (scope) => canceled.get(scope) ?? shields.get(scope) ?? null,
  };
  host.compensation.pushCompensation = (scope, undoes, call, when) => {
    asked.push(`compensation ${call.activityType}(${list(call.arguments)}) of ${undoes} ${when}`);
    return 1;
  };
  host.compensation.setCompensationArguments = (id, payloads) =>
    asked.push(`compensation ${id} takes (${list(payloads)})`);
  host.execution.complete = (how) => asked.push(outcome(how));
  host.updates.completeUpdate = (id, { tag, val }) =>
    asked.push(`update ${id} ${tag === "ok" ? text(val) : val[0].message}`);
  host.info = { now: () => 86_400_000, randomBytes: (length) => new Uint8Array(length).fill(128) };
  host.log.write = (level, target, message) => asked.push(`${level} ${target}: ${message}`);

  const program = await compile(
    `import "./prelude"; import { serve } from "./serve"; import * as workflows from "code";
     export const guest = serve(workflows);`.replace('"code"', JSON.stringify(dataUrl(code))),
  );
  const realm = vm.createContext({ host });
  vm.runInContext(program, realm);
  const guest = vm.runInContext("made.guest", realm);
  const send = (tag, val) => {
    guest.activate({ tag, val });
    return asked.splice(0);
  };
  const payload = (value) => ({
    metadata: [["encoding", Buffer.from("json/plain")]], data: Buffer.from(JSON.stringify(value)),
  });
  const request = (cause) => ({ cause, reason: "r", requester: "", at: 0, deadline: null });
  return {
    guest,
    send,
    payload,
    start: (...values) =>
      send("initialize", { workflowType: "w", arguments: values.map(payload) }),
    done: (id, value = null) =>
      send("activity-resolved", { operation: id, outcome: { tag: "ok", val: payload(value) } }),
    fired: (id) => send("timer-fired", { operation: id, outcome: { tag: "ok", val: undefined } }),
    failed: (tag, id) => send(tag, { operation: id, outcome: { tag: "err", val: CANCELED } }),
    signal: (name, value) => send("signal-received", { name, arguments: [payload(value)], requester: "" }),
    requested: (shield) => shields.set(shield, request("parent")),
    cancel: (scope = 0, cause = "requested") => {
      const info = request(cause);
      canceled.set(scope, info);
      return scope === 0 ? send("cancel-requested", info) : send("scope-canceled", { scope, info });
    },
  };
}

function dataUrl(code) {
  return `data:text/javascript,${encodeURIComponent(`import * as s from "sandglass"; Object.assign(globalThis, s);\n${code}`)}`;
}
