// What Temporal's TypeScript worker sees of a Sandglass server: one line for each check.
// Arguments: the server's address. The component of tests/guests/scenarios serves the task queue `scenarios`; this
// process serves its activities. With `crash` as a second argument: a worker that is to be killed during an attempt.
'use strict';
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const activity = require('@temporalio/activity');
const { ActivityCancelledError } = require('@temporalio/client');
const { ApplicationFailure, CancelledFailure } = require('@temporalio/common');
const { DefaultLogger, NativeConnection, Runtime, Worker } = require('@temporalio/worker');
const { QUEUE, connect, history, pause, run, say, tried, until } = require('./common');

/** How activities behave, and what they saw. */
const state = { work: 'beat', begun: null, seen: [], token: null };

function begun() {
  let resolve;
  const promise = new Promise((r) => (resolve = r));
  state.begun = { promise, resolve };
}

async function beatUntilCanceled() {
  state.begun.resolve();
  for (;;) {
    activity.heartbeat('d');
    await activity.sleep(200);
  }
}

const activities = {
  async Work() {
    const { info } = activity.Context.current();
    state.seen.push(
      `${info.activityType} ${info.activityId} ${info.attempt} ${info.workflowType} ${info.taskQueue} ` +
        `${info.heartbeatTimeoutMs} ${info.startToCloseTimeoutMs} ${info.scheduleToCloseTimeoutMs}`,
    );
    if (state.work === 'quick') return 3;
    if (state.work === 'fail') throw ApplicationFailure.nonRetryable('no good', 'Bad', 'why');
    if (state.work === 'elsewhere') {
      state.token = info.taskToken;
      state.begun.resolve();
      throw new activity.CompleteAsyncError();
    }
    return beatUntilCanceled();
  },
  async Swallow() {
    try {
      await beatUntilCanceled();
    } catch (error) {
      if (!(error instanceof CancelledFailure)) throw error;
      return 7;
    }
  },
  /** Never heartbeats. */
  async A() {
    state.begun.resolve();
    await activity.sleep(60_000);
  },
  async Resume() {
    const { info } = activity.Context.current();
    if (info.attempt > 1) return info.heartbeatDetails;
    activity.heartbeat(3);
    await pause(60_000);
  },
};

class Checks {
  constructor(client, connection) {
    this.client = client;
    this.connection = connection;
  }

  worker(options = {}) {
    const often = { maxHeartbeatThrottleInterval: 200, defaultHeartbeatThrottleInterval: 200 };
    return Worker.create({ connection: this.connection, taskQueue: QUEUE, activities, ...often, ...options });
  }

  async while(checks) {
    await (await this.worker()).runUntil(checks());
  }

  start(kind, workflowId) {
    begun();
    return this.client.workflow.start(kind, { taskQueue: QUEUE, workflowId });
  }

  async pending(handle) {
    return (await handle.describe()).raw.pendingActivities;
  }

  async ends() {
    state.work = 'quick';
    let handle = await this.start('a08', 'quick');
    say('result', await tried(handle.result()));
    say('the activity knows', state.seen.at(-1));
    say('history', await history(handle));
    state.work = 'fail';
    handle = await this.start('a08', 'fail');
    say('failed', await tried(handle.result()));
    const { failure } = (await handle.fetchHistory()).events.at(-5).activityTaskFailedEventAttributes;
    const [details] = failure.applicationFailureInfo.details.payloads;
    say('its details', `${Buffer.from(details.data)} ${failure.stackTrace.includes('worker.js')}`);
  }

  async elsewhere() {
    state.work = 'elsewhere';
    let handle = await this.start('a08', 'elsewhere');
    await state.begun.promise;
    await this.client.activity.heartbeat(state.token, 'x');
    const [{ activityType, attempt, heartbeatDetails }] = await this.pending(handle);
    say('pending', `${activityType.name} ${attempt} ${Buffer.from(heartbeatDetails.payloads[0].data)}`);
    await this.client.activity.complete(state.token, 9);
    say('by token', await tried(handle.result()));
    say('by token again', await tried(this.client.activity.complete(state.token, 9)));
    handle = await this.start('a08', 'elsewhere-2');
    await state.begun.promise;
    const [{ activityId }] = await this.pending(handle);
    const id = { workflowId: 'elsewhere-2', activityId };
    say('canceled too early', await tried(this.client.activity.reportCancellation(id)));
    await handle.cancel();
    try {
      await this.client.activity.heartbeat(id);
      say('heartbeat', 'goes on');
    } catch (error) {
      say('heartbeat', error instanceof ActivityCancelledError);
    }
    await this.client.activity.reportCancellation(id, 'd');
    say('by id', await tried(handle.result()));
    handle = await this.start('a08', 'elsewhere-3');
    await state.begun.promise;
    await this.client.activity.fail({ workflowId: 'elsewhere-3', activityId }, ApplicationFailure.nonRetryable('lost', 'Lost'));
    say('failed by id', await tried(handle.result()));
  }

  async canceled(kind, id) {
    const handle = await this.start(kind, id);
    await state.begun.promise;
    await handle.cancel();
    return `${await tried(handle.result())}: ${await history(handle)}`;
  }

  async cancel() {
    state.work = 'beat';
    say('heartbeats', await this.canceled('a08', 'beats'));
    say('returns', await this.canceled('a09', 'returns'));
    // Its run waits for it, and only a push tells it.
    say('silent', await this.canceled('a21', 'silent'));
  }

  async crash() {
    const handle = await this.start('a27', 'crash');
    const other = spawn(process.execPath, [__filename, process.argv[2], 'crash'], { stdio: 'inherit' });
    await until(async () => (await this.pending(handle))[0]?.heartbeatDetails);
    other.kill('SIGKILL');
    await once(other, 'exit');
    await this.while(async () => say('another worker goes on', await tried(handle.result())));
  }

  async shutdown() {
    const worker = await this.worker({ identity: 'going' });
    const running = worker.run();
    const queue = { namespace: 'default', taskQueue: { name: QUEUE }, taskQueueType: 2, reportStats: true };
    const described = () => this.client.workflowService.describeTaskQueue(queue);
    await until(async () => (await described()).pollers.some((poller) => poller.identity === 'going'));
    // Its polls would wait for 55 s.
    const begun = Date.now();
    worker.shutdown();
    await running;
    say('shut down within 10 s', Date.now() - begun < 10_000);
    state.work = 'quick';
    const handle = await this.start('a08', 'waits');
    await until(async () => (await this.pending(handle)).length > 0);
    say('backlog', Number((await described()).stats.approximateBacklogCount));
    await this.while(async () => say('the next worker has it', await tried(handle.result())));
  }
}

run(async () => {
  // What the SDK's native half has to say would be printed among the findings, were it not forwarded.
  const telemetryOptions = { logging: { forward: {} } };
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}), telemetryOptions, workerHeartbeatInterval: 1000 });
  const [, , address, part] = process.argv;
  const connection = await NativeConnection.connect({ address });
  const client = await connect(address);
  const checks = new Checks(client, connection);
  if (part === 'crash') await checks.while(() => pause(60_000));
  await checks.while(async () => {
    for (const part of ['ends', 'elsewhere', 'cancel']) {
      say('#', part);
      await checks[part]();
    }
  });
  for (const part of ['crash', 'shutdown']) {
    say('#', part);
    await checks[part]();
  }
  await client.connection.close();
  await connection.close();
});
