"""What Temporal's Python client sees of a Sandglass server: one line for each check.

Arguments: the server's address. The component of tests/guests/scenarios serves the task queue `scenarios`.
"""
import asyncio, os, sys
from datetime import timedelta
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.schedule.v1 import Schedule
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import *
from temporalio.client import (Client, WorkflowFailureError, WorkflowQueryFailedError, WorkflowUpdateFailedError,
    WithStartWorkflowOperation, WorkflowUpdateStage)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError

QUEUE = 'scenarios'

def say(what, found): print(f'{what}: {found}', flush=True)

def types(events):
    """The events' types, a whole workflow task in one word."""
    names = [EventType.Name(e.event_type)[len('EVENT_TYPE_'):].lower() for e in events]
    task = ['workflow_task_scheduled', 'workflow_task_started', 'workflow_task_completed']
    out = []
    for name in names:
        out.append(name)
        if out[-3:] == task: out[-3:] = ['task']
    return ' '.join(out)

def chain(error):
    links = []
    while error is not None:
        kind = getattr(error, 'type', None)
        links.append(f'{type(error).__name__}{f"[{kind}]" if isinstance(kind, str) else ""}({getattr(error, "message", error)})')
        error = error.__cause__
    return ' <- '.join(links)

async def tried(coro):
    try: return repr(await coro)
    except (WorkflowFailureError, WorkflowUpdateFailedError) as e: return f'{type(e).__name__} <- {chain(e.cause)}'
    except RPCError as e: return f'{type(e).__name__} {e.status.name}: {e.message}'
    except Exception as e: return f'{type(e).__name__}: {e}'

async def until(handle, word):
    """Waits until the history has this type of event and no workflow task is pending."""
    while True:
        names = types((await handle.fetch_history()).events)
        if word in names and names.split()[-1] not in ('workflow_task_scheduled', 'workflow_task_started'): return names
        await asyncio.sleep(.02)

class Checks:
    def __init__(self, client): self.c, self.s = client, client.workflow_service
    async def start(self, kind, id, **options):
        return await self.c.start_workflow(kind, id=id, task_queue=QUEUE, **options)

    async def cancel(self):
        h = await self.start('a01', 'cancel-1', memo={'note': 'n'}, execution_timeout=timedelta(hours=1))
        await until(h, 'timer_started')
        d = await h.describe()
        say('open', f'{d.status.name} {d.workflow_type} {d.task_queue} {await d.memo_value("note")} {d.history_length} {d.close_time}')
        say('open, what temporal lacks', sorted((await d.memo())['__sandglass']))
        say('start again', await tried(self.start('a01', 'cancel-1')))
        say('use existing', (await self.start('a01', 'cancel-1', id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)).result_run_id == h.result_run_id)
        result = asyncio.create_task(tried(h.result()))
        await h.cancel(); await h.cancel()
        say('canceled', await result)
        asked = (await (await h.describe()).memo())['__sandglass']['cancel']
        say('asked', asked['identity'] == self.c.identity)
        d = await h.describe()
        say('closed', f'{d.status.name} {d.close_time is not None}')
        say('history', types((await h.fetch_history()).events))
        say('cancel closed', await tried(h.cancel()))
        say('caught', await self.canceled('a02_caught', 'cancel-2'))
    async def canceled(self, kind, id):
        h = await self.start(kind, id)
        await until(h, 'timer_started')
        await h.cancel()
        return await tried(h.result())

    async def terminate(self):
        h = await self.start('a01', 'terminate-1')
        await h.terminate('one', 2, reason='enough')
        say('terminated', await tried(h.result()))
        last = (await h.fetch_history()).events[-1].workflow_execution_terminated_event_attributes
        say('terminated, details', f'{last.reason} {[p.data for p in last.details.payloads]}')
        say('terminate closed', await tried(h.terminate()))
        for policy in ('REJECT_DUPLICATE', 'ALLOW_DUPLICATE_FAILED_ONLY'):
            again = self.start('a01', 'terminate-1', id_reuse_policy=WorkflowIDReusePolicy[policy])
            try: await (await again).terminate(); found = 'started'
            except WorkflowAlreadyStartedError as e: found = f'{e} {e.run_id == h.result_run_id}'
            say(policy.lower(), found)
        h = await self.start('a01', 'timeout-1', run_timeout=timedelta(milliseconds=100))
        say('timed out', await tried(h.result()))

    async def messages(self):
        h = await self.start('holder', 'messages-1')
        await h.signal('note', 'a')
        say('query', await h.query('notes'))
        say('query fails', await tried(h.query('fails')))
        say('no such query', await tried(h.query('nothing')))
        say('update', await h.execute_update('quick'))
        say('update refused', await tried(h.execute_update('refused')))
        say('update fails', await tried(h.execute_update('fails')))
        say('no such update', await tried(h.execute_update('nothing')))
        slow = await h.start_update('upd', id='u1', wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        say('update accepted', f'{slow.id} {slow.workflow_run_id == h.result_run_id}')
        known = self.c.get_workflow_handle('messages-1').get_update_handle('other')
        say('poll no such update', await tried(known.result()))
        payload = Payload(metadata={'encoding': b'binary/encrypted', 'key-id': bytes([0, 255])}, data=b'\x00\xff')
        request = dict(namespace='default', workflow_execution=WorkflowExecution(workflow_id='messages-1'), identity='me',
            signal_name='other', input=Payloads(payloads=[payload]), request_id='s1')
        for _ in range(2): await self.s.signal_workflow_execution(SignalWorkflowExecutionRequest(**request))
        result = asyncio.create_task(tried(slow.result()))
        await h.signal('note', 'end')
        say('result', await tried(h.result()))
        say('update without an answer', await result)
        events = (await h.fetch_history()).events
        signals = [e.workflow_execution_signaled_event_attributes for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED]
        say('signals', [(s.signal_name, s.request_id if s.signal_name == 'other' else '') for s in signals])
        say('payload', signals[1].input.payloads[0] == payload)
        say('query closed', await h.query('notes'))
        say('signal closed', await tried(h.signal('note', 'x')))
        say('update closed', await tried(h.execute_update('quick')))
        for _ in range(2):
            h = await self.start('holder', 'messages-2', start_signal='note', start_signal_args=['first'])
        say('signal with start', await h.query('notes'))
        await h.signal('note', 'end')
        say('its history begins', types((await h.fetch_history()).events[:3]))
        h = await self.start('a13', 'parent-1', args=['child-1'])
        await until(h, 'child_workflow_execution_started')
        child = await self.c.get_workflow_handle('child-1').describe()
        pending = (await h.describe()).raw_description.pending_children
        say('children', [(c.workflow_id, c.workflow_type_name, c.initiated_id, c.parent_close_policy, c.run_id == child.run_id) for c in pending])
        await self.c.get_workflow_handle('child-1').terminate()
        await tried(h.result())
        say('no children', list((await h.describe()).raw_description.pending_children))
        await self.update_with_start()
    async def update_with_start(self):
        async def both(run, update, policy=WorkflowIDConflictPolicy.FAIL, **options):
            start = WithStartWorkflowOperation('holder', id=run, task_queue=QUEUE, id_conflict_policy=policy)
            return await tried(self.c.execute_update_with_start_workflow(update, start_workflow_operation=start, **options)), start
        found, start = await both('messages-3', 'quick', id='u1')
        say('update with start', found)
        h = await start.workflow_handle()
        say('its history begins', types((await h.fetch_history()).events[:6]))
        say('the same update', (await both('messages-3', 'quick', id='u1'))[0])
        found, start = await both('messages-3', 'quick', id='u2')
        say('the run is open', f'{found} {await tried(start.workflow_handle())}')
        found, start = await both('messages-3', 'quick', WorkflowIDConflictPolicy.USE_EXISTING, id='u2')
        say('use existing', f'{found} {(await start.workflow_handle()).result_run_id == h.result_run_id}')
        before = self.c.get_workflow_handle('messages-3', run_id=h.result_run_id)
        found, start = await both('messages-3', 'quick', WorkflowIDConflictPolicy.TERMINATE_EXISTING, id='u3')
        say('terminate existing', f'{found} {(await before.describe()).status.name} {(await start.workflow_handle()).result_run_id == h.result_run_id}')
        for update in ['refused', 'fails', 'nothing']: say(f'with start, {update}', (await both(f'messages-{update}', update))[0])
        multi = lambda *operations: tried(self.s.execute_multi_operation(ExecuteMultiOperationRequest(namespace='default',
            operations=[ExecuteMultiOperationRequest.Operation(**one) for one in operations])))
        start = StartWorkflowExecutionRequest(namespace='default', workflow_id='multi', workflow_type=WorkflowType(name='holder'), task_queue=TaskQueue(name=QUEUE))
        update = UpdateWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id='other'))
        other = UpdateWorkflowExecutionRequest(namespace='elsewhere', workflow_execution=WorkflowExecution(workflow_id='multi'))
        say('no operations', await multi())
        say('only a start', await multi(dict(start_workflow=start)))
        say('two workflows', await multi(dict(start_workflow=start), dict(update_workflow=update)))
        say('two namespaces', await multi(dict(start_workflow=start), dict(update_workflow=other)))
        say('nothing was started', await tried(self.c.get_workflow_handle('multi').describe()))

    async def raw(self):
        s, ns = self.s, 'default'
        start = dict(namespace=ns, workflow_id='raw-1', workflow_type=WorkflowType(name='a01'), task_queue=TaskQueue(name=QUEUE), request_id='r1')
        one = await s.start_workflow_execution(StartWorkflowExecutionRequest(**start))
        two = await s.start_workflow_execution(StartWorkflowExecutionRequest(**start))
        say('the same request', f'{one.run_id == two.run_id} {one.started} {two.started} {two.status}')
        try: await s.start_workflow_execution(StartWorkflowExecutionRequest(**{**start, 'request_id': 'r2'}))
        except RPCError as e:
            detail = WorkflowExecutionAlreadyStartedFailure()
            e.grpc_status.details[0].Unpack(detail)
            say('already started', f'{e.status.name} {e.message.replace(one.run_id, "RUN")} {detail.start_request_id} {detail.run_id == one.run_id}')
        run = lambda i='raw-1', r='': WorkflowExecution(workflow_id=i, run_id=r)
        history = lambda **k: s.get_workflow_execution_history(GetWorkflowExecutionHistoryRequest(namespace=ns, **{'execution': run(), **k}))
        await until(self.c.get_workflow_handle('raw-1'), 'timer_started')
        page, ids = await history(maximum_page_size=2), []
        while True:
            ids.append([e.event_id for e in page.history.events])
            if not page.next_page_token: break
            page = await history(maximum_page_size=2, next_page_token=page.next_page_token)
        say('pages', ids)
        back = await s.get_workflow_execution_history_reverse(GetWorkflowExecutionHistoryReverseRequest(namespace=ns, execution=run(), maximum_page_size=3))
        say('reverse', [e.event_id for e in back.history.events])
        other = '0b0b0b0b-0000-4000-8000-000000000000'
        say('no such chain', await tried(s.request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest(namespace=ns, workflow_execution=run(), first_execution_run_id=other))))
        page = await history(wait_new_event=True)
        waits = asyncio.create_task(history(wait_new_event=True, next_page_token=page.next_page_token))
        close = asyncio.create_task(history(wait_new_event=True, history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT))
        now = await history(history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
        say('close event of an open run', f'{len(now.history.events)} {now.next_page_token}')
        say('waits', waits.done())
        await self.c.get_workflow_handle('raw-1').signal('x')
        say('new event', types((await waits).history.events[:1]))
        await self.c.get_workflow_handle('raw-1').terminate()
        closed = await close
        say('close event', f'{types(closed.history.events)} {closed.next_page_token}')
        describe = lambda e, ns=ns: tried(s.describe_workflow_execution(DescribeWorkflowExecutionRequest(namespace=ns, execution=e)))
        say('no such workflow', await describe(run('nope')))
        say('no such run', await describe(run(r=other)))
        say('bad run id', await describe(run(r='x')))
        say('no id', await describe(run('')))
        say('no such namespace', await describe(run(), 'nope'))
        say('no namespace', await describe(run(), ''))
        say('bad token', await tried(history(next_page_token=b'x')))
        say('not served', await tried(s.create_schedule(CreateScheduleRequest(namespace=ns, schedule_id='s', schedule=Schedule()))))
        say('workflow tasks', await tried(s.poll_workflow_task_queue(PollWorkflowTaskQueueRequest(namespace=ns, task_queue=TaskQueue(name=QUEUE)))))
        say('no such type', await tried(self.start('nope', 'raw-2')))
        say('no such queue', await tried(self.c.start_workflow('a01', id='raw-2', task_queue='nope')))
        say('too large', (await tried(self.start('a01', 'raw-2', args=['x' * (5 << 20)])))[:60])

    async def lists(self):
        customer, total = SearchAttributeKey.for_keyword('Customer'), SearchAttributeKey.for_int('Total')
        attributes = TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword('Region'), 'eu')])
        h = await self.start('labeled', 'lists-1', search_attributes=attributes)
        await until(h, 'upsert_workflow_search_attributes')
        d = await h.describe()
        say('search attributes', [d.typed_search_attributes.get(k) for k in (customer, total, SearchAttributeKey.for_keyword('Region'))])
        for i in range(3): await (await self.start('a01', f'lists-many-{i}')).terminate()
        for query in ('WorkflowId = "lists-1"', "Customer = 'c1' AND Total >= 5 AND Region IN ('eu', 'us')", "Total > 5",
            "WorkflowId STARTS_WITH 'lists-many-' AND ExecutionStatus = 'Terminated'", "TaskQueue = 'scenarios' AND WorkflowId = 'lists-1' AND CloseTime IS NULL"):
            say(f'list {query}', [w.id async for w in self.c.list_workflows(query)])
        say('list by pages', [w.id async for w in self.c.list_workflows("WorkflowId STARTS_WITH 'lists-many-'", page_size=2)])
        count = await self.c.count_workflows("WorkflowId STARTS_WITH 'lists-' GROUP BY ExecutionStatus")
        say('count', f'{count.count} {[(g.group_values[0], g.count) for g in count.groups]}')
        for query in ('bad ~ 3', "StartTime > 'x'", "ExecutionStatus = 'Done'"):
            say(f'list {query}', await tried(self.c.count_workflows(query)))
        await h.signal('go')
        say('labeled', await tried(h.result()))

    async def paused(self, h):
        d = await h.describe()
        listed = [w.id async for w in self.c.list_workflows('ExecutionStatus = "Paused"')]
        return f'{d.status.name} {d.raw_description.workflow_extended_info.pause_info.reason} {listed}'
    async def operate(self):
        h = await self.start('a01', 'operate-1')
        await until(h, 'timer_started')
        request = dict(namespace='default', workflow_id='operate-1', identity='op', reason='look')
        await self.s.pause_workflow_execution(PauseWorkflowExecutionRequest(**request))
        say('paused', await self.paused(h))
        say('pause again', await tried(self.s.pause_workflow_execution(PauseWorkflowExecutionRequest(**request))))
        await self.s.unpause_workflow_execution(UnpauseWorkflowExecutionRequest(**request))
        reset = await self.s.reset_workflow_execution(ResetWorkflowExecutionRequest(namespace='default',
            workflow_execution=WorkflowExecution(workflow_id='operate-1'), workflow_task_finish_event_id=4, reason='again', request_id='x'))
        say('reset', f'{reset.run_id != h.result_run_id} {(await h.describe()).status.name}')
        new = self.c.get_workflow_handle('operate-1', run_id=reset.run_id)
        await until(new, 'timer_started')
        say('reset history', types((await new.fetch_history()).events))
        await new.terminate()

async def main(address):
    # Its log would go to stdout too.
    client = await Client.connect(address, runtime=Runtime(telemetry=TelemetryConfig(logging=None)))
    say('connected', client.namespace)
    say('healthy', await client.service_client.check_health())
    checks = Checks(client)
    for part in sys.argv[2:] or ('cancel', 'terminate', 'messages', 'raw', 'lists', 'operate'):
        say('#', part)
        await getattr(checks, part)()

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 120))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
