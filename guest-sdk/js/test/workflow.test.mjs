//! What the SDK asks the host for, event by event. The semantics are the host's; here it is whether
//! JavaScript's own constructs lead to the right calls.

import assert from "node:assert/strict";
import { test } from "node:test";
import { play } from "./host.mjs";

const ECHO = 'const { echo, undo } = proxyActivities({ startToCloseTimeout: "1s" });\n';

test("calling starts and awaiting waits", async () => {
  const w = await play(`${ECHO} export async function w() {
    const [first, second] = [echo(1), echo(2)];
    await sleep("1m");
    return (await first) + (await second);
  }`);
  assert.deepEqual(w.start(), ["1 activity echo(1) in 0", "2 activity echo(2) in 0", "3 timer 60000 in 0"]);
  assert.deepEqual(w.done(2, 20), []);
  assert.deepEqual(w.fired(3), []);
  assert.deepEqual(w.done(1, 10), ["completed 30"]);
});

test("code after an await is in the scope of the code before it", async () => {
  const w = await play(`${ECHO} export async function w() {
    const twice = async (a, b) => { await echo(a); return await echo(b); };
    const [inside, outside] = await Promise.all([cancellable(() => twice(1, 2)), twice(3, 4)]);
    return inside + outside;
  }`);
  assert.deepEqual(w.start(), [
    "open-scope 1 cancellable in 0", "1 activity echo(1) in 1", "2 activity echo(3) in 0",
  ]);
  assert.deepEqual(w.done(2), ["3 activity echo(4) in 0"]);
  assert.deepEqual(w.done(1), ["4 activity echo(2) in 1"]);
  assert.deepEqual(w.done(4, 40), ["close-scope 1"]);
  assert.deepEqual(w.done(3, 2), ["completed 42"]);
});

test("a canceled workflow cleans up and ends with the cancellation", async () => {
  const w = await play(`${ECHO} export async function w() {
    try {
      await sleep("1m");
    } catch (error) {
      if (isCancellation(error)) await detached(() => echo(1));
      throw error;
    }
  }`);
  w.start();
  assert.deepEqual(w.cancel(), []);
  assert.deepEqual(w.failed("timer-fired", 1), ["open-scope 1 detached in 0", "2 activity echo(1) in 1"]);
  assert.deepEqual(w.done(2), ["failed canceled"]);
});

test("nothing starts in a canceled scope", async () => {
  const w = await play(`${ECHO} export async function w() {
    await whenRequested();
    const tried = [sleep(1), echo(1), waitUntil(() => true), orCanceled(1), signals("s").receive()];
    const settled = await Promise.allSettled(tried);
    return settled.every((one) => one.status === "rejected" && isCancellation(one.reason));
  }`);
  w.start();
  assert.deepEqual(w.cancel(), ["completed true"]);
});

test("what is started elsewhere is interrupted where it is awaited", async () => {
  const w = await play(`${ECHO} export async function w() {
    const work = echo(1);
    try {
      await withTimeout("1s", () => work);
    } catch (error) {
      return isTimeout(error);
    }
  }`);
  assert.deepEqual(w.start(), [
    "1 activity echo(1) in 0", "open-scope 1 timeout in 0", "2 wait operation of another scope in 1",
  ]);
  assert.deepEqual(w.cancel(1, "timeout"), []);
  assert.deepEqual(w.failed("wait-canceled", 2), ["close-scope 1", "completed true"]);
});

test("a condition is looked at again after each event and each change", async () => {
  const w = await play(`export async function w() {
    let count = 0;
    const chain = (async () => { await waitUntil(() => count === 1); count = 2; })();
    const setter = (async () => { count = await signals("count").receive(); })();
    await waitUntil(() => count === 2);
    await chain;
    await setter;
    return count;
  }`);
  assert.deepEqual(w.start(), ["1 wait condition in 0", "2 wait signal count in 0", "3 wait condition in 0"]);
  assert.deepEqual(w.signal("count", 1), ["close-wait 2", "close-wait 1", "close-wait 3", "completed 2"]);
});

test("compensations are registered with the activity they undo", async () => {
  const w = await play(`${ECHO} export async function w() {
    const work = echo(1);
    const registered = work.compensateWith(undo.prepare(1));
    registered.setArguments(undo.prepare(await work));
    await echo(2).compensatedBy(undo.prepare());
  }`);
  assert.deepEqual(w.start(), ["1 activity echo(1) in 0", "compensation undo(1) of 1 effective"]);
  assert.deepEqual(w.done(1, 5), [
    "compensation 1 takes (5)", "2 activity echo(2) in 0", "compensation undo() of 2 effective",
  ]);
});

test("the platform's clock, random numbers and timers are the run's", async () => {
  const w = await play(`export async function w() {
    const begun = [Date.now(), new Date().toISOString(), typeof Date(), new Date(0) instanceof Date];
    const id = setTimeout(() => {}, 5);
    clearTimeout(id);
    const called = await new Promise((resolve) => setTimeout((value) => resolve(value), 7, "called"));
    return [...begun, Math.random(), crypto.randomUUID(), performance.now(), called];
  }`);
  assert.deepEqual(w.start(), ["1 timer 5 in 0", "cancel-operation 1", "2 timer 7 in 0"]);
  const seen = [
    86_400_000, "1970-01-02T00:00:00.000Z", "string", true, 0.5019607851281762,
    "80808080-8080-4080-8080-808080808080", 0, "called",
  ];
  const [completed] = w.fired(2);
  const found = JSON.parse(completed.slice("completed ".length));
  assert.ok(Math.abs(found[4] - seen[4]) < 1e-3, String(found[4]));
  assert.deepEqual(found.with(4, 0), seen.with(4, 0));
});

test("while the component is built there is no clock and no randomness", async () => {
  for (const code of ["Date.now()", "new Date()", "Math.random()", "crypto.randomUUID()", "performance.now()"]) {
    await assert.rejects(play(`const x = ${code}; export async function w() { return x; }`), /is built/, code);
  }
  await play("console.log('a'); const x = new Date(5); export async function w() {}");
});

test("a mistake fails the workflow task, any other error the workflow", async () => {
  const mistaken = await play("export async function w() { await sleep(1); undefined.x; }");
  mistaken.start();
  assert.throws(() => mistaken.fired(1), { name: "TypeError" });
  const failed = await play(`export async function w() {
    throw new Error("outer", { cause: new ApplicationFailure("inner", { type: "T" }) });
  }`);
  assert.deepEqual(failed.start(), ["failed outer: inner"]);
});

test("updates are handled beside the workflow, those that came before it too", async () => {
  const w = await play(`${ECHO} export async function w() {
    const kept = [];
    update("add", async (value) => { kept.push(await echo(value)); return kept.length; }, {
      validator: (value) => { if (!value) throw new Error("nothing"); },
    });
    query("kept", () => kept);
    await signals("end").receive();
    await waitUntil(allHandlersFinished);
    return kept;
  }`);
  const asked = (id, name, value) =>
    w.send("update-requested", { id, name, arguments: [w.payload(value)], header: [], requester: "" });
  asked("u0", "add", "");
  asked("u1", "gone", 1);
  assert.deepEqual(w.start(), [
    "1 wait signal end in 0", "update u0 nothing", "update u1 no update `gone`; there are: `add`",
  ]);
  assert.deepEqual(asked("u2", "add", 7), ["2 activity echo(7) in 0"]);
  assert.deepEqual(w.signal("end", null), ["close-wait 1", "3 wait condition in 0"]);
  const update = { id: "u3", name: "add", arguments: [w.payload("")], header: [], requester: "" };
  assert.throws(() => w.guest.validateUpdate(update), ({ payload }) => payload[0].message === "nothing");
  assert.deepEqual(w.done(2, 7), ["update u2 1", "close-wait 3", "completed [7]"]);
  assert.equal(Buffer.from(w.guest.query("kept", [], []).data).toString(), "[7]");
  assert.throws(() => w.guest.query("lost", [], []), ({ payload }) => /`kept`/.test(payload[0].message));
});

test("a run that continues does nothing more", async () => {
  const w = await play(`export async function w(n) {
    try {
      await continueAsNew([n + 1]);
    } finally {
      await sleep(1);
    }
  }`);
  assert.deepEqual(w.start(1), ["continued with 2"]);
});

test("a rejection that nobody handles is told, a cancellation is not", async () => {
  const w = await play(`export async function w() {
    void (async () => { throw new ApplicationFailure("lost"); })();
    sleep(1);
    await sleep(2);
  }`);
  const lines = w.start();
  assert.equal(lines.length, 3);
  assert.match(lines[2], /^warn sandglass: nobody handles a rejection: ApplicationFailure: lost/);
  assert.deepEqual(w.failed("timer-fired", 1), []);
});

test("a failure's detail that cannot be read says nothing, and keeps nobody", async () => {
  const w = await play(`${ECHO} export async function w() {
    try {
      await echo(1);
    } catch (error) {
      return error.message + " " + String.fromCharCode(...error.details[0].data);
    }
  }`);
  w.start();
  const detail = { metadata: [["encoding", Buffer.from("binary/encrypted")]], data: Buffer.from("?") };
  const info = { tag: "application", val: { failureType: "T", nonRetryable: false, details: [detail], nextRetryDelay: null } };
  const link = { message: "no", source: "", stackTrace: "", encodedAttributes: null, info };
  const outcome = { tag: "err", val: [link] };
  assert.deepEqual(w.send("activity-resolved", { operation: 1, outcome }), ["completed \"no ?\""]);
});

test("a detail that has no JSON form is refused where it is given", async () => {
  const w = await play(`export async function w() {
    throw new ApplicationFailure("never told", { details: [1n] });
  }`);
  const [ended, ...rest] = w.start();
  assert.match(ended, /^failed a value has no JSON form/);
  assert.deepEqual(rest, []);
});

test("a loop that awaits nothing leaves no waits in a shield that was asked", async () => {
  const w = await play(`export async function w() {
    await shielded(async () => {
      await sleep("1m");
      throwIfCanceled();
    });
  }`);
  w.start();
  w.requested(1);
  assert.deepEqual(w.fired(1).slice(0, 2), ["2 wait canceled in 1", "close-wait 2"]);
});
