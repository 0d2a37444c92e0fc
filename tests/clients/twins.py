"""One client script for two servers: Temporal's, with a worker of workflows and activities, and ours, with one of activities.

Arguments: the server's address, and `temporal` or `sandglass`. Each scenario has the task queue of its name. Prints a recording as
tests/oracle has them: a line of versions, then one line for each scenario with what the client was told (`facts`) and the histories
that it was given. What is to be the same is in twins.md; twin_worker.py has what the two sorts of workers do.
"""
import asyncio, json, os, sys, traceback
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / 'oracle'))
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import *
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateStage
from temporalio.common import (RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy)
from temporalio.runtime import Runtime, TelemetryConfig
from harness import Ctx, Raw, collapse
from client import tried
import twin_worker

AT_ONCE, LIMIT_S = 8, 240
NOBODY = '0b0b0b0b-0000-4000-8000-000000000000'
S = lambda s: timedelta(seconds=s)
ALL = {}
def scenario(f): ALL[f.__name__] = f; return f

class Late(Exception):
    """On a machine that is busy with other things the moment for a request had passed: once more, then."""

class Twin(Ctx):
    """A scenario at one of the servers."""
    def __init__(self, client, name, sort, attempt):
        super().__init__(client, f'{name}-{attempt}' if attempt else name)
        self.tq, self.sort, self.runs = name, sort, {}
    def worker(self, acts=True):
        if not acts and self.sort == 'sandglass': return nullcontext()
        return twin_worker.worker(self.c, self.tq, self.sort, acts)
    async def start(self, kind, *args, id=None, **options):
        h = await self.c.start_workflow(kind, args=args, id=id or self.name, task_queue=self.tq, **options)
        if h.first_execution_run_id: self.runs[h.first_execution_run_id] = 'RUN'
        return h
    async def until(self, h, *want, act_started=0, limit=120): return await super().until(h, *want, act_started=act_started, limit=limit)
    async def until_raw(self, h, pred, limit=120): return await super().until_raw(h, pred, limit)
    def say(self, what, found):
        """A fact, without what two servers cannot have in common."""
        text = found if isinstance(found, (bool, int, list)) else str(found)
        for run, name in self.runs.items(): text = json.loads(json.dumps(text).replace(run, name))
        self.facts.setdefault(what, []).append(text)
    async def told(self, what, call): self.say(what, await tried(call))
    async def end(self, h, label='w'):
        """How a run ended: its result as the client raises it, its status, its history."""
        await self.told(f'result {label}', asyncio.wait_for(h.result(), 120))
        self.say(f'status {label}', (await h.describe()).status.name)
        await self.record(h, label)
    async def record(self, h, label='w'): self.histories[label] = (await h.fetch_history()).to_json_dict()
    def was_in_time(self, label='w'):
        """The request to cancel has come before what the run was waiting for."""
        for event in self.histories[label]['events']:
            kind = event['eventType'].removeprefix('EVENT_TYPE_')
            if kind == 'WORKFLOW_EXECUTION_CANCEL_REQUESTED': return
            if kind in ('TIMER_FIRED', 'ACTIVITY_TASK_TIMED_OUT'): raise Late
    def run(self, id, run_id=None): return self.c.get_workflow_handle(id, run_id=run_id)

# ---- One run that is canceled at a certain moment.

async def canceled(x, kind, *args, want=('TS',), started=0, acts=True):
    async with x.worker(acts):
        h = await x.start(kind, *args)
        await x.until(h, *want, act_started=started)
        x.say('cancel', await x.cancel(h))
        await x.end(h)
    x.was_in_time()
def cancels(name, kind, **options):
    async def run(x): await canceled(x, kind, **options)
    run.__name__ = name
    scenario(run)

cancels('A01', 'a01')
cancels('A02_caught', 'a02_caught')
cancels('A04a', 'a04')
cancels('A04b', 'a04_then_sleep')
cancels('A05', 'a05')
cancels('A06', 'a06')
cancels('row28_cleanup_fails', 'a05')
cancels('A07', 'a07', want=('AS', 'AS', 'TS', 'TS'), started=2)
cancels('A08', 'a08', want=('AS',), started=1)
cancels('A09', 'a09', want=('AS',), started=1)
cancels('row8_fails_after_ACR', 'a08', want=('AS',), started=1)
cancels('A11', 'a08', want=('AS',), acts=False)
cancels('A24_not_started', 'a24', want=('AS', 'AS'), acts=False)
cancels('A21', 'a21', want=('AS', 'AS', 'AS'), started=1)
cancels('A21_completed', 'a21', want=('AS', 'AS', 'AS'), started=1)
cancels('A21_then_sleep', 'a21_then_sleep', want=('AS', 'AS', 'AS'), started=1)
cancels('A24', 'a24', want=('AS', 'AS'), started=2)

@scenario
async def A22(x):
    """Ours has its local activities made by the server, and Temporal's by the worker."""
    async with x.worker():
        # The task that it is a part of is not over.
        h = await x.start('a22'); await x.until_raw(h, lambda t: ('Tb' if x.sort == 'temporal' else 'Ts') in t)
        await x.told('cancel', h.cancel()); await x.end(h)
    # The request may have come before the activity was begun.
    if 'MR' not in await x.toks(h): raise Late

@scenario
async def A10(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('a10'); await x.until(h, 'AS'); t = await r.act()
        await x.cancel(h); await x.end(h); x.say('late', [await r.beat(t), await r.act_done(t)])
    x.say('unchanged', len(await x.toks(h)) == len(x.histories['w']['events']))
@scenario
async def A12(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('a08'); await x.until(h, 'AS'); t = await r.act()
        x.say('before', [await r.beat(t), await r.act_canceled(t)])
        await x.cancel(h); await x.until(h, 'ACR'); x.say('asked', await r.beat(t)); x.say('settled', await r.act_canceled(t))
        await x.end(h); x.say('late', [await r.beat(t), await r.act_canceled(t)])
@scenario
async def A12_terminate(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('a08'); await x.until(h, 'AS'); t = await r.act()
        await h.terminate(reason='t'); x.say('late', await r.beat(t)); await x.end(h)
    await x.told('terminate again', h.terminate()); await x.told('signal', h.signal('sig'))
@scenario
async def row9_heartbeat_timeout(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('a08'); await x.until(h, 'AS'); t = await r.act(); await r.beat(t)
        await x.cancel(h); await x.end(h); x.was_in_time(); x.say('late', [await r.beat(t), await r.act_done(t)])
@scenario
async def S31_not_found(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('a10', run_timeout=S(6)); await x.until(h, 'AS'); t = await r.act()
        await x.end(h); x.say('late', [await r.beat(t), await r.act_done(t), await r.act_failed(t), await r.act_canceled(t)])
@scenario
async def A27(x):
    async with x.worker(): await x.end(await x.start('a27'))
@scenario
async def activity_fails(x):
    async with x.worker(): await x.end(await x.start('a08'))
@scenario
async def A23a(x):
    async with x.worker(): await x.end(await x.start('a23'))
@scenario
async def A23b(x):
    async with x.worker(): await x.end(await x.start('a23'))
@scenario
async def A17(x):
    async with x.worker():
        h = await x.start('a17'); await x.until(h, 'TS'); await x.cancel(h); await x.until(h, 'TS', 'TS'); await h.terminate(reason='t'); await x.end(h)
@scenario
async def same_request_id_twice(x):
    """The second is no request; a third, with an id of its own, is not recorded either: the run is asked already."""
    async with x.worker():
        h = await x.start('a17'); await x.until(h, 'TS')
        request = RequestCancelWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=h.id), request_id='same', reason='r')
        for _ in '12': await x.c.workflow_service.request_cancel_workflow_execution(request)
        await x.until(h, 'TS', 'TS'); await x.cancel(h); await h.terminate(reason='t'); await x.end(h)
@scenario
async def A28(x):
    async with x.worker():
        h = await x.start('a05'); await x.until(h, 'TS'); await x.cancel(h); await x.until(h, 'AS', act_started=1)
        d = await h.describe(); raw = d.raw_description
        x.say('canceling', [d.status.name, raw.workflow_extended_info.cancel_requested, len(raw.pending_activities), raw.pending_activities[0].attempt])
        await x.end(h)
@scenario
async def row29_cancel_during_cleanup(x):
    async with x.worker():
        h = await x.start('a05'); await x.until(h, 'TS'); await x.cancel(h); await x.until(h, 'AS', act_started=1)
        x.say('again', await x.cancel(h, 'r2', 'op2')); await x.end(h)
@scenario
async def row35_terminate_during_cleanup(x):
    async with x.worker():
        h = await x.start('a05'); await x.until(h, 'TS'); await x.cancel(h); await x.until(h, 'AS', act_started=1); await h.terminate(reason='t'); await x.end(h)
@scenario
async def row42_run_timeout_while_canceling(x):
    async with x.worker():
        h = await x.start('a05', run_timeout=S(8)); await x.until(h, 'TS'); await x.cancel(h); await x.end(h)
@scenario
async def run_timeout(x):
    async with x.worker(): await x.end(await x.start('a01', run_timeout=S(4)))
@scenario
async def S53_terminate_idle(x):
    async with x.worker(): h = await x.start('a01'); await x.until(h, 'TS'); await h.terminate('one', 2, reason='t'); await x.end(h)
async def spins(x, cancel):
    """The run's code computes without an end: at Temporal a worker that holds the task; ours is interrupted."""
    theirs = x.sort == 'temporal'
    r, h = Raw(x), await x.start('a18')
    if theirs: await r.step()
    else: await x.until(h, 'Tc')
    await h.signal('go')
    if theirs: await r.wft()
    # It is on disk before the task has ended.
    await x.until_raw(h, lambda t: 'SG' in t)
    if cancel: x.say('cancel', await x.cancel(h))
    await h.terminate(reason='t'); await x.end(h)
@scenario
async def A18(x): await spins(x, False)
@scenario
async def A18_canceled(x): await spins(x, True)
@scenario
async def A03_paused(x):
    """Both requests come before the code could hear of the first."""
    s, f = x.c.workflow_service, dict(namespace='default', identity='op', reason='p')
    async with x.worker():
        h = await x.start('a01'); await x.until(h, 'TS'); await s.pause_workflow_execution(PauseWorkflowExecutionRequest(workflow_id=h.id, request_id='p', **f))
        x.say('cancel', [await x.cancel(h), await x.cancel(h, 'r2', 'op2')]); x.say('held', collapse(await x.toks(h)))
        await s.unpause_workflow_execution(UnpauseWorkflowExecutionRequest(workflow_id=h.id, request_id='u', **f)); await x.end(h)
@scenario
async def deleted(x):
    """One that has ended, one that is open, and a child whose parent is told."""
    s, of = x.c.workflow_service, lambda id: DeleteWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=id))
    async def gone(h):
        for _ in range(600):
            if await tried(h.describe()) == f'RPCError NOT_FOUND: workflow not found for ID: {h.id}': return True
            await asyncio.sleep(.05)
    async with x.worker():
        for how in ('closed', 'open'):
            h = await x.start('a01', id=f'{x.name}-{how}'); await x.until(h, 'TS')
            if how == 'closed': await h.terminate(reason='t')
            await s.delete_workflow_execution(of(h.id)); x.say(how, [await gone(h), await tried(s.delete_workflow_execution(of(h.id)))])
        h = await x.start('a13', x.name + '-c'); c = x.run(x.name + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS')
        await s.delete_workflow_execution(of(c.id)); await x.end(h); x.say('child', await gone(c))
@scenario
async def deleted_with_older(x):
    """The newest of three runs of an id: no older one is meant by the id alone afterwards, also if it is asked again."""
    s, of = x.c.workflow_service, lambda run='': DeleteWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=x.name, run_id=run))
    async def gone(h):
        # Half a minute there.
        for _ in range(1800):
            found = await tried(h.describe())
            if found.startswith('RPCError NOT_FOUND'): return found
            await asyncio.sleep(.05)
    async with x.worker():
        runs = []
        for _ in '123':
            h = await x.start('a01'); await x.until(h, 'TS'); await h.terminate(reason='t'); runs.append(x.run(h.id, h.first_execution_run_id))
        await s.delete_workflow_execution(of()); x.say('current', await gone(h))
        x.say('again', [await tried(s.delete_workflow_execution(of())), await tried(h.terminate()), await tried(h.fetch_history())])
        x.say('older', [(await run.describe()).status.name for run in runs[:2]])
        await s.delete_workflow_execution(of(runs[1].run_id)); await gone(runs[1]); x.say('older deleted', [(await runs[0].describe()).status.name, await tried(h.describe())])
        h = await x.start('a01', id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE); x.say('new', (await h.describe()).status.name); await h.terminate(reason='t')
@scenario
async def update_with_start(x):
    async def both(update, policy, **options):
        start = WithStartWorkflowOperation('holder', id=x.name, task_queue=x.tq, id_conflict_policy=policy)
        return await tried(x.c.execute_update_with_start_workflow(update, start_workflow_operation=start, **options))
    policies = WorkflowIDConflictPolicy
    async with x.worker():
        x.say('started', await both('quick', policies.FAIL, id='u1')); h = x.run(x.name)
        x.say('again', [await both('quick', policies.FAIL, id='u1'), await both('quick', policies.FAIL, id='u2'), await both('quick', policies.USE_EXISTING, id='u2'), await both('refused', policies.USE_EXISTING)])
        await h.signal('note', 'end'); await x.end(h)
@scenario
async def trap_then_terminate(x):
    async with x.worker():
        h = await x.start('a20'); await x.until(h, 'TS'); await x.cancel(h); await x.until_raw(h, lambda t: 'Tf' in t); await h.terminate(reason='t'); await x.end(h)
@scenario
async def R1_start_delay(x):
    async with x.worker(): h = await x.start('a01', start_delay=S(300)); x.say('before', collapse(await x.toks(h))); await x.cancel(h); await x.end(h)
@scenario
async def start_delay_signaled(x):
    async with x.worker(): h = await x.start('a01', start_delay=S(300)); await h.signal('sig'); x.say('signaled', collapse(await x.toks(h))); await h.terminate(reason='t'); await x.end(h)
@scenario
async def R1_cron(x):
    async with x.worker(): h = await x.start('a01', cron_schedule='0 0 1 1 *'); x.say('before', collapse(await x.toks(h))); await x.cancel(h); await x.end(h)
@scenario
async def R40_paused(x):
    s, f = x.c.workflow_service, dict(namespace='default', identity='op', reason='p')
    async with x.worker():
        h = await x.start('a01'); await x.until(h, 'TS')
        await s.pause_workflow_execution(PauseWorkflowExecutionRequest(workflow_id=h.id, request_id='p', **f)); d = await s.describe_workflow_execution(DescribeWorkflowExecutionRequest(namespace='default', execution=WorkflowExecution(workflow_id=h.id)))
        x.say('paused', [d.workflow_execution_info.status, d.workflow_extended_info.pause_info.reason])
        await h.signal('sig'); await x.cancel(h); x.say('held', collapse(await x.toks(h)))
        await s.unpause_workflow_execution(UnpauseWorkflowExecutionRequest(workflow_id=h.id, request_id='u', **f)); await x.end(h)
@scenario
async def R17_reset(x):
    async with x.worker():
        h = await x.start('a01'); await x.until(h, 'TS'); await h.signal('sig'); await x.until(h, 'SG', 'Tc', 'Tc'); await x.cancel(h); await x.end(h, 'old')
        q = await x.c.workflow_service.reset_workflow_execution(ResetWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=h.id, run_id=h.first_execution_run_id), workflow_task_finish_event_id=4, reason='u', request_id='x'))
        new = x.run(h.id, q.run_id); await x.until(new, 'TS'); x.say('cancel requested', (await new.describe()).raw_description.workflow_extended_info.cancel_requested)
        await x.record(new, 'new'); await new.terminate()
@scenario
async def A0_rpc(x):
    async with x.worker():
        for how in ('canceled', 'terminated'):
            h = await x.start('a01', id=f'{x.name}-{how}'); await x.until(h, 'TS')
            await (x.cancel(h) if how == 'canceled' else h.terminate(reason='t')); await tried(h.result()); n = len(await x.toks(h))
            x.say(how, [await x.cancel(h), await x.cancel(h, run_id=h.first_execution_run_id), await tried(h.terminate()), await tried(x.run(h.id, h.first_execution_run_id).terminate()), await tried(h.signal('sig'))])
            x.say('unchanged', n == len(await x.toks(h)))
        x.say('unknown id', [await x.cancel('nobody'), await tried(x.run('nobody').terminate()), await tried(x.run('nobody').signal('s')), await tried(x.run('nobody').describe())])
        x.say('unknown run', [await x.cancel(h, run_id=NOBODY), await x.cancel(h, run_id='zzz'), await x.cancel('')])
        x.say('chain', [await x.cancel(h, first=h.first_execution_run_id), await x.cancel(h, first=NOBODY)])

# ---- Starts.

@scenario
async def conflicts(x):
    async with x.worker():
        h = await x.start('a01', memo={'note': 'n'}); await x.until(h, 'TS'); d = await h.describe()
        x.say('open', [d.workflow_type, d.task_queue, await d.memo_value('note'), d.history_length, d.close_time is None, d.status.name])
        await x.told('again', x.start('a01')); x.say('existing', (await x.start('a01', id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)).result_run_id == h.result_run_id)
        other = await x.start('a01', id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING); await x.end(x.run(h.id, h.result_run_id), 'first')
        await x.until(other, 'TS'); await other.cancel(); await x.end(other, 'other')
        await x.told('reject', x.start('a01', id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE))
        again = await x.start('a01', id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY); await x.until(again, 'TS'); await again.terminate(reason='t'); await x.end(again, 'again')
@scenario
async def retried(x):
    async with x.worker():
        h = await x.start('retried', retry_policy=RetryPolicy(initial_interval=S(.2), maximum_attempts=3)); first = h.first_execution_run_id
        await x.end(h); await x.record(x.run(h.id, first), 'first')
@scenario
async def lists(x):
    async with x.worker():
        for i in range(3): h = await x.start('a01', id=f'lists-{i}'); await x.until(h, 'TS'); await (h.cancel() if i else h.terminate())
        kept = await x.start('a01', id='lists-open'); count = lambda q: x.c.count_workflows(f"WorkflowId STARTS_WITH 'lists-' AND {q}")
        while ((await count("ExecutionStatus = 'Canceled'")).count, (await count("ExecutionStatus != 'Canceled'")).count) != (2, 2): await asyncio.sleep(.1)
        groups = await x.c.count_workflows("WorkflowId STARTS_WITH 'lists-' GROUP BY ExecutionStatus")
        x.say('groups', sorted([g.group_values[0], g.count] for g in groups.groups))
        for query in ("WorkflowId = 'lists-0'", "WorkflowId STARTS_WITH 'lists-' AND CloseTime IS NULL", "WorkflowType = 'a01' AND TaskQueue = 'lists' AND ExecutionStatus IN ('Terminated', 'Running')",
                "WorkflowId IN ('lists-1', 'lists-2') AND StartTime > '2020-01-01T00:00:00Z'", "WorkflowId = 'lists-1' OR WorkflowId = 'lists-open'"):
            x.say(query, sorted([[w.id, w.status.name, w.workflow_type] async for w in x.c.list_workflows(query)]))
        await kept.terminate()
@scenario
async def labeled(x):
    region = SearchAttributeKey.for_keyword('Region')
    async with x.worker():
        h = await x.start('labeled', search_attributes=TypedSearchAttributes([SearchAttributePair(region, 'eu')])); await x.until(h, 'EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES')
        keys = (SearchAttributeKey.for_keyword('Customer'), SearchAttributeKey.for_int('Total'), region); found = lambda d: [d.typed_search_attributes.get(k) for k in keys]
        d = await h.describe(); x.say('first', [*found(d), await d.memo_value('note')])
        await h.signal('go'); await x.told('result', h.result()); d = await h.describe(); x.say('then', [*found(d), await d.memo_value('note', None)])

# ---- Messages.

@scenario
async def messages(x):
    async with x.worker():
        h = await x.start('holder'); await x.until(h, 'Tc'); await h.signal('note', 'a'); await x.until(h, 'SG', 'Tc', 'Tc')
        await x.told('notes', h.query('notes')); await x.told('query fails', h.query('fails'))
        for name in ('quick', 'refused', 'fails'): await x.told(name, h.execute_update(name))
        await h.signal('note', 'end'); await x.end(h)
        await x.told('query closed', h.query('notes')); await x.told('signal closed', h.signal('note', 'x')); await x.told('update closed', h.execute_update('quick'))
@scenario
async def update_completes(x):
    async with x.worker(): h = await x.start('holder'); await x.until(h, 'Tc'); await x.told('update', h.execute_update('quick')); await x.record(h); await h.terminate()
@scenario
async def update_is_refused(x):
    async with x.worker(): h = await x.start('holder'); await x.until(h, 'Tc'); await x.told('update', h.execute_update('refused')); await x.record(h); await h.terminate()
@scenario
async def row43_update(x):
    async with x.worker():
        h = await x.start('holder'); await x.until(h, 'Tc'); u = await h.start_update('upd', wait_for_stage=WorkflowUpdateStage.ACCEPTED); await x.until(h, 'UA', 'TS')
        told = asyncio.create_task(tried(u.result())); await x.cancel(h); await x.end(h); x.say('update', await told)
@scenario
async def update_of_a_run_that_ends(x):
    async with x.worker():
        h = await x.start('holder'); await x.until(h, 'Tc'); u = await h.start_update('upd', wait_for_stage=WorkflowUpdateStage.ACCEPTED); await x.until(h, 'UA', 'TS')
        told = asyncio.create_task(tried(u.result())); await h.signal('note', 'end'); await x.end(h); x.say('update', await told)
@scenario
async def signal_with_start_twice(x):
    async with x.worker():
        for _ in '12': h = await x.start('holder', start_signal='note', start_signal_args=['first'])
        await x.until(h, 'SG', 'SG'); await x.told('notes', h.query('notes')); await h.signal('note', 'end'); await x.end(h)

# ---- Several runs.

async def child(x, kind):
    id = x.name + '-c'
    async with x.worker():
        h = await x.start(kind, id); c = x.run(id); await x.until(h, 'CS'); await x.until(c, 'TS')
        await x.cancel(h); await x.end(h); await x.end(c, 'c'); x.was_in_time('c')
@scenario
async def A13(x): await child(x, 'a13')
@scenario
async def A14(x): await child(x, 'a14')
@scenario
async def A15(x): await child(x, 'a15')
@scenario
async def S24(x): await child(x, 's24')
async def parent_is_terminated(x, kind):
    async with x.worker():
        h = await x.start(kind, x.name + '-c'); c = x.run(x.name + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS'); await h.terminate(reason='t'); await x.end(h); await x.end(c, 'c')
@scenario
async def child_cleans_up(x): await parent_is_terminated(x, 'a14')
@scenario
async def D_policy_terminate(x): await parent_is_terminated(x, 's24')
@scenario
async def child_is_terminated(x):
    async with x.worker():
        h = await x.start('a13', x.name + '-c'); c = x.run(x.name + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS'); await c.terminate(reason='t'); await x.end(h)
@scenario
async def child_cannot_start(x):
    async with x.worker():
        c = await x.start('a01', id=x.name + '-c'); h = await x.start('a13', x.name + '-c'); await x.end(h); await c.terminate()
@scenario
async def A16(x):
    async with x.worker():
        t = await x.start('a01', id=x.name + '-t'); await x.until(t, 'TS')
        for run, target in (('a', t.id), ('b', t.id), ('c', 'nobody')):
            h = await x.start('a16', target, id=f'{x.name}-{run}'); await x.end(h, run)
            if run == 'a': await x.end(t, 'target')
@scenario
async def A19(x):
    async with x.worker():
        h = await x.start('a19', 1); first = h.first_execution_run_id; cur = x.run(h.id)
        await x.until_raw(cur, lambda t: 'TS' in t)
        x.say('of the first run', [await x.cancel(h, run_id=first), await tried(x.run(h.id, first).terminate()), await x.cancel(h, first=NOBODY), await x.cancel(h, run_id=first, first=first)])
        await x.end(cur, 'run2'); await x.record(x.run(h.id, first), 'run1'); await x.told('followed', h.result())
@scenario
async def A26(x):
    async with x.worker():
        h = await x.start('a26', 1); first = h.first_execution_run_id; await x.until(h, 'TS'); await x.cancel(h); cur = x.run(h.id)
        while (await cur.describe()).run_id == first: await asyncio.sleep(.02)
        await x.until_raw(cur, lambda t: 'TS' in t or 'WX' in t); await tried(cur.terminate(reason='t')); await x.end(cur, 'run2'); await x.record(x.run(h.id, first), 'run1')
@scenario
async def terminate_first_run_id(x):
    async with x.worker():
        h = await x.start('a19', 1); first = h.first_execution_run_id; cur = x.run(h.id); await x.until_raw(cur, lambda t: 'TS' in t)
        stop = lambda run='', **k: tried(x.c.workflow_service.terminate_workflow_execution(TerminateWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=h.id, run_id=run), **k)))
        x.say('answers', [await stop(first_execution_run_id=NOBODY), await stop(run=NOBODY), await stop(first_execution_run_id=first)]); await x.end(cur)

async def main(address, sort, *names):
    runtime = Runtime(telemetry=TelemetryConfig(logging=None))
    connect = lambda namespace: Client.connect(address, identity='twin', runtime=runtime, namespace=namespace)
    client = await connect('default')
    # In a namespace of its own, the activities of which ours serves itself.
    of = {'A22': await connect('local')} if sort == 'sandglass' else {}
    system = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    print(json.dumps(dict(server=system.server_version, sdk=sort)), flush=True)
    gate, failed = asyncio.Semaphore(AT_ONCE), []
    async def one(name):
        async with gate:
            for attempt in range(10):
                x = Twin(of.get(name, client), name, sort, attempt)
                try: await asyncio.wait_for(ALL[name](x), LIMIT_S)
                except Late: continue
                except Exception as e: failed.append(name); traceback.print_exception(e)
                break
            print(json.dumps(dict(scenario=name, facts=x.facts, histories=x.histories)), flush=True)
    await asyncio.gather(*map(one, names or ALL))
    if failed: sys.exit(f'{len(failed)} scenarios failed at {sort}: {" ".join(failed)}')

if __name__ == '__main__':
    asyncio.run(main(*sys.argv[1:]))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
