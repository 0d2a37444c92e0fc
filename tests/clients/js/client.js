// What Temporal's TypeScript client sees of a Sandglass server: one line for each check.
// Arguments: the server's address. The component of tests/guests/scenarios serves the task queue `scenarios`.
'use strict';
const { WorkflowExecutionAlreadyStartedError, defineSearchAttributeKey } = require('@temporalio/common');
const { QUEUE, all, connect, history, recorded, run, say, tried, types } = require('./common');

class Checks {
  constructor(client) {
    this.client = client;
  }

  start(kind, workflowId, options = {}) {
    return this.client.workflow.start(kind, { taskQueue: QUEUE, workflowId, ...options });
  }

  async cancel() {
    const handle = await this.start('a01', 'cancel-1', { memo: { note: 'n' }, workflowExecutionTimeout: '1 hour' });
    await recorded(handle, 'timer_started');
    const open = await handle.describe();
    const { note, __sandglass } = open.memo;
    say('open', `${open.status.name} ${open.type} ${open.taskQueue} ${note} ${open.historyLength} ${open.closeTime ?? 'open'}`);
    say('open, what temporal lacks', Object.keys(__sandglass).sort());
    say('start again', await tried(this.start('a01', 'cancel-1')));
    const same = await this.start('a01', 'cancel-1', { workflowIdConflictPolicy: 'USE_EXISTING' });
    say('use existing', same.firstExecutionRunId === handle.firstExecutionRunId);
    const result = tried(handle.result());
    await handle.cancel();
    await handle.cancel();
    say('canceled', await result);
    const closed = await handle.describe();
    say('closed', `${closed.status.name} ${closed.closeTime >= closed.startTime}`);
    say('history', await history(handle));
    say('cancel closed', await tried(handle.cancel()));
    const caught = await this.start('a02_caught', 'cancel-2');
    await recorded(caught, 'timer_started');
    await caught.cancel();
    say('caught', await tried(caught.result()));
  }

  async terminate() {
    const handle = await this.start('a01', 'terminate-1');
    await handle.terminate('enough');
    say('terminated', await tried(handle.result()));
    const last = (await handle.fetchHistory()).events.at(-1);
    say('terminated, details', last.workflowExecutionTerminatedEventAttributes.reason);
    say('terminate closed', await tried(handle.terminate()));
    for (const workflowIdReusePolicy of ['REJECT_DUPLICATE', 'ALLOW_DUPLICATE_FAILED_ONLY']) {
      try {
        await (await this.start('a01', 'terminate-1', { workflowIdReusePolicy })).terminate();
        say(workflowIdReusePolicy, 'started');
      } catch (error) {
        say(workflowIdReusePolicy, error instanceof WorkflowExecutionAlreadyStartedError);
      }
    }
    const limited = await this.start('a01', 'timeout-1', { workflowRunTimeout: '100 ms' });
    say('timed out', await tried(limited.result()));
  }

  async messages() {
    const handle = await this.start('holder', 'messages-1');
    await handle.signal('note', 'a');
    say('query', await handle.query('notes'));
    say('query fails', await tried(handle.query('fails')));
    say('no such query', await tried(handle.query('nothing')));
    say('update', await handle.executeUpdate('quick'));
    for (const name of ['refused', 'fails', 'nothing']) say(`update ${name}`, await tried(handle.executeUpdate(name)));
    const slow = await handle.startUpdate('upd', { updateId: 'u1', waitForStage: 'ACCEPTED' });
    say('update accepted', `${slow.updateId} ${slow.workflowRunId === handle.firstExecutionRunId}`);
    say('poll no such update', await tried(handle.getUpdateHandle('other').result()));
    const ended = tried(slow.result());
    await handle.signal('note', 'end');
    say('result', await tried(handle.result()));
    say('update without an answer', await ended);
    say('query closed', await handle.query('notes'));
    say('signal closed', await tried(handle.signal('note', 'x')));
    say('update closed', await tried(handle.executeUpdate('quick')));
    const options = { taskQueue: QUEUE, workflowId: 'messages-2', signal: 'note', signalArgs: ['first'] };
    await this.client.workflow.signalWithStart('holder', options);
    const second = await this.client.workflow.signalWithStart('holder', options);
    say('signal with start', await second.query('notes'));
    await second.signal('note', 'end');
    say('its history begins', types((await second.fetchHistory()).events.slice(0, 3)));
  }

  async lists() {
    const keys = ['Customer', 'Region'].map((name) => defineSearchAttributeKey(name, 'KEYWORD'));
    const total = defineSearchAttributeKey('Total', 'INT');
    const handle = await this.start('labeled', 'lists-1', { typedSearchAttributes: [{ key: keys[1], value: 'eu' }] });
    await recorded(handle, 'upsert_workflow_search_attributes');
    const { typedSearchAttributes } = await handle.describe();
    say('search attributes', [...keys, total].map((key) => typedSearchAttributes.get(key)));
    for (let i = 0; i < 3; i++) await (await this.start('a01', `lists-many-${i}`)).terminate();
    const ids = async (options) => (await all(this.client.workflow.list(options))).map((found) => found.workflowId);
    for (const query of ['WorkflowId = "lists-1"', "Customer = 'c1' AND Total >= 5 AND Region IN ('eu', 'us')", 'Total > 5'])
      say(`list ${query}`, await ids({ query }));
    say('list by pages', await ids({ query: "WorkflowId STARTS_WITH 'lists-many-'", pageSize: 2 }));
    const { count, groups } = await this.client.workflow.count("WorkflowId STARTS_WITH 'lists-' GROUP BY ExecutionStatus");
    say('count', `${count} ${JSON.stringify(groups.map((group) => [group.groupValues[0], group.count]))}`);
    say('count wrongly', await tried(this.client.workflow.count('bad ~ 3')));
    await handle.signal('go');
    say('labeled', await tried(handle.result()));
  }

  /** A run whose second run is asked for by the first one's handle. */
  async chains() {
    const handle = await this.start('a19', 'chains-1', { args: [1] });
    const last = this.client.workflow.getHandle('chains-1');
    await recorded(last, 'timer_started');
    const result = tried(handle.result());
    await last.cancel();
    say('follows', await result);
    const first = this.client.workflow.getHandle('chains-1', handle.firstExecutionRunId, { followRuns: false });
    say('does not follow', (await tried(first.result())).split(' ')[0]);
    say('its history', await history(first));
  }
}

run(async () => {
  const client = await connect(process.argv[2]);
  say('healthy', await tried(client.connection.healthService.check({})));
  const checks = new Checks(client);
  for (const part of ['cancel', 'terminate', 'messages', 'lists', 'chains']) {
    say('#', part);
    await checks[part]();
  }
  await client.connection.close();
});
