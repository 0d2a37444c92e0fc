"""The traps into which a server for Temporal's clients can step, one line each: what the server does there.

Arguments: the server's address. The component of tests/guests/scenarios serves the task queue `scenarios`. Requests
are messages as they go over the wire, so that nothing is hidden by the SDK; a trap is a method named by its number.
"""
import asyncio, os, sys
from datetime import timedelta
from temporalio.api.common.v1 import Header, Memo, Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType, TaskQueueType, UpdateWorkflowExecutionLifecycleStage
from temporalio.api.errordetails.v1 import (NamespaceNotFoundFailure, NotFoundFailure, PermissionDeniedFailure, QueryFailedFailure,
    WorkflowExecutionAlreadyStartedFailure)
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.schedule.v1 import Schedule
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueMetadata
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import *
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError
from google.protobuf.duration_pb2 import Duration
from client import QUEUE, types

NS = dict(namespace='default')
DETAILS = [NamespaceNotFoundFailure, NotFoundFailure, PermissionDeniedFailure, QueryFailedFailure, WorkflowExecutionAlreadyStartedFailure]
WIDE = Payload(metadata={'encoding': b'binary/plain'}, data=bytes(5 << 20))
json = lambda text: Payload(metadata={'encoding': b'json/plain'}, data=text.encode())

async def refused(call):
    """How a call was refused: status, text, typed detail."""
    try: answer = await call
    except RPCError as e:
        found = [d for d in DETAILS if any(a.Is(d.DESCRIPTOR) for a in e.grpc_status.details)]
        return f'{e.status.name} {e.message[:120]!r} {" ".join(d.DESCRIPTOR.name for d in found)}'
    return f'answered {type(answer).__name__}'

class Traps:
    def __init__(self, client): self.c, self.s = client, client.workflow_service
    def start_of(self, kind, id, **fields):
        return StartWorkflowExecutionRequest(**{**NS, 'workflow_id': id, 'workflow_type': WorkflowType(name=kind), 'task_queue': TaskQueue(name=QUEUE),
            'request_id': f'start {id}', **fields})
    async def start(self, kind, id, **fields): return (await self.s.start_workflow_execution(self.start_of(kind, id, **fields))).run_id
    async def poll(self, **fields):
        """The next attempt, of whichever of these runs."""
        request = PollActivityTaskQueueRequest(**{**NS, 'task_queue': TaskQueue(name=QUEUE), 'identity': 'me', **fields})
        return await self.s.poll_activity_task_queue(request, timeout=timedelta(seconds=60))
    async def history(self, id, run_id='', **fields):
        request = GetWorkflowExecutionHistoryRequest(**NS, execution=WorkflowExecution(workflow_id=id, run_id=run_id), **fields)
        return await self.s.get_workflow_execution_history(request, timeout=timedelta(seconds=60))
    async def events(self, id): return (await self.history(id)).history.events
    async def describe(self, id):
        return await self.s.describe_workflow_execution(DescribeWorkflowExecutionRequest(**NS, execution=WorkflowExecution(workflow_id=id)))
    async def terminate(self, id):
        await self.s.terminate_workflow_execution(TerminateWorkflowExecutionRequest(**NS, workflow_execution=WorkflowExecution(workflow_id=id)))
    async def cancel(self, id, **fields):
        return await self.s.request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest(**NS, workflow_execution=WorkflowExecution(workflow_id=id), **fields))
    async def signal(self, id, **fields):
        return await self.s.signal_workflow_execution(SignalWorkflowExecutionRequest(**NS, workflow_execution=WorkflowExecution(workflow_id=id), **fields))
    async def completed(self, task, **fields):
        return await self.s.respond_activity_task_completed(RespondActivityTaskCompletedRequest(**NS, task_token=task.task_token, identity='me', **fields))
    async def failed(self, task, failure, **fields):
        return await self.s.respond_activity_task_failed(RespondActivityTaskFailedRequest(**NS, task_token=task.task_token, failure=failure, **fields))
    async def canceled(self, task):
        return await self.s.respond_activity_task_canceled(RespondActivityTaskCanceledRequest(**NS, task_token=task.task_token))
    async def beat(self, task, **fields):
        return await self.s.record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest(**NS, task_token=task.task_token, **fields))
    async def query(self, id, name):
        return await self.s.query_workflow(QueryWorkflowRequest(**NS, execution=WorkflowExecution(workflow_id=id), query=WorkflowQuery(query_type=name)))
    async def until(self, id, there):
        while not there(await self.describe(id)): await asyncio.sleep(.02)

    async def t1(self):
        """The SDK compresses what it sends."""
        # Long enough that it pays: a server without gzip refuses it.
        run = await self.start('a01', 't1', memo=Memo(fields={'long': json('"' + 'x' * 10000 + '"')}))
        await self.terminate('t1')
        return f'started {bool(run)}'
    async def t2(self):
        info = await self.s.get_system_info(GetSystemInfoRequest())
        on = sorted(f.name for f, v in info.capabilities.ListFields() if v)
        unknown = await refused(self.s.create_schedule(CreateScheduleRequest(**NS, schedule_id='s', schedule=Schedule())))
        return f'{info.server_version != ""} {on}, else {unknown}'
    async def t3(self):
        """Waiting for the close: nothing and a token while there is none, then exactly that event and none."""
        await self.start('a01', 't3')
        closing = dict(wait_new_event=True, history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
        loop = asyncio.get_running_loop()
        began = loop.time()
        open = await self.history('t3', **closing)
        waited = loop.time() - began
        news = await self.history('t3', wait_new_event=True)
        more = asyncio.create_task(self.history('t3', wait_new_event=True, next_page_token=news.next_page_token))
        last = asyncio.create_task(self.history('t3', next_page_token=open.next_page_token, **closing))
        await self.cancel('t3')
        more, last = await more, await last
        after = news.history.events[-1].event_id
        # What continues as new says with which run.
        run = await self.start('a19', 't3-next', input=Payloads(payloads=[json('1')]))
        first = await self.history('t3-next', run_id=run, **closing)
        await self.terminate('t3-next')
        return (f'open: {len(open.history.events)} events, token {open.next_page_token != b""}, within {15 < waited < 30}; new: {[e.event_id - after for e in more.history.events[:1]]}; '
            f'closed: {types(last.history.events)}, token {last.next_page_token != b""}; follows: {types(first.history.events)} {first.history.events[0].workflow_execution_continued_as_new_event_attributes.new_execution_run_id != ""}')
    async def t4(self):
        await self.start('a10', 't4')
        task = await self.poll()
        set = [task.HasField(f) for f in ('schedule_to_close_timeout', 'start_to_close_timeout', 'heartbeat_timeout', 'scheduled_time', 'started_time', 'current_attempt_scheduled_time')]
        event = next(e for e in await self.events('t4') if e.HasField('activity_task_scheduled_event_attributes')).activity_task_scheduled_event_attributes
        set += [event.HasField(f) for f in ('schedule_to_close_timeout', 'schedule_to_start_timeout', 'start_to_close_timeout', 'heartbeat_timeout')]
        await self.terminate('t4')
        return f'{set}'
    async def t5(self):
        d = await self.s.describe_namespace(DescribeNamespaceRequest(**NS))
        l = (await self.s.list_namespaces(ListNamespacesRequest())).namespaces
        fields = ('namespace_info', 'config', 'replication_config')
        return f'{[d.HasField(f) for f in fields]} {[n.namespace_info.name for n in l]} {[l[0].HasField(f) for f in fields]} {len(d.replication_config.clusters)}'
    async def t6(self):
        one, two = [await self.s.start_workflow_execution(self.start_of('holder', 't6')) for _ in range(2)]
        for _ in range(2): await self.signal('t6', signal_name='note', input=Payloads(payloads=[json('"a"')]), request_id='signal')
        update = UpdateWorkflowExecutionRequest(**NS, workflow_execution=WorkflowExecution(workflow_id='t6'), request=Request(meta=Meta(update_id='update'), input=Input(name='quick')),
            wait_policy=WaitPolicy(lifecycle_stage=UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED))
        answers = [await self.s.update_workflow_execution(update) for _ in range(2)]
        # Without an id each is another request: the second is told that it has not started it.
        bare = dict(request_id='', workflow_id_conflict_policy=2)
        three = await self.s.start_workflow_execution(self.start_of('holder', 't6', **bare))
        for _ in range(2): await self.cancel('t6', request_id='cancel')
        while (await self.describe('t6')).workflow_execution_info.status == 1: await asyncio.sleep(.02)
        four = await self.s.start_workflow_execution(self.start_of('holder', 't6'))
        names = types(await self.events('t6'))
        found = [names.count(n) for n in ('workflow_execution_signaled', 'workflow_execution_update_accepted', 'workflow_execution_cancel_requested')]
        return f'{one.run_id == two.run_id == three.run_id == four.run_id} {[a.started for a in (one, two, three, four)]} {answers[0] == answers[1]} {found}'
    async def t7(self):
        """Which requests are worth another try: those that the server could not take, not those that make no sense."""
        large = await refused(self.s.start_workflow_execution(self.start_of('a01', 't7', input=Payloads(payloads=[WIDE] * 4))))
        none = await refused(self.s.start_workflow_execution(self.start_of('nothing', 't7')))
        return f'{large}; {none}'
    async def t8(self):
        await self.start('a27', 't8')
        one = await self.poll()
        await self.failed(one, Failure(message='again', application_failure_info=ApplicationFailureInfo(type='Again')))
        two = await self.poll()
        stale = [await refused(self.completed(one)), await refused(self.beat(one)), await refused(self.failed(one, Failure())), await refused(self.canceled(one))]
        alien = two.task_token.replace(two.workflow_execution.run_id.encode(), b'01a2056e-6994-7006-ae3f-9945cba9cf38')
        forged = [await refused(self.completed(PollActivityTaskQueueResponse(task_token=t))) for t in (b'\xff', b'x', b'/' * 9, alien)]
        await self.completed(two, result=Payloads(payloads=[json('2')]))
        again = await refused(self.completed(two))
        return f'{[one.attempt, two.attempt]}; stale: {set(stale)}; forged: {forged}; again: {again}'
    async def t9(self):
        """A task that comes when a worker shuts down goes to who asks next. Of polls that hang up see a test in Rust."""
        late = dict(worker_instance_key='late')
        waiting = [asyncio.create_task(self.poll(**late)) for _ in range(3)]
        await asyncio.sleep(.3)
        await self.s.shutdown_worker(ShutdownWorkerRequest(**NS, worker_instance_key='late'))
        ended = await asyncio.wait_for(asyncio.gather(*waiting), 10)
        await self.start('a10', 't9-late')
        # A poll of the same worker that was on its way meanwhile.
        ended.append(await asyncio.wait_for(self.poll(**late), 10))
        task = await self.poll()
        await self.terminate('t9-late')
        return f'{[t.ByteSize() for t in ended]}, then {task.activity_type.name} {task.attempt}'
    async def t10(self):
        """A heartbeat tells of a cancellation at once; who never heartbeats is told by its control queue."""
        await self.start('a08', 't10')
        task = await self.poll(worker_control_task_queue='control 10')
        before = (await self.beat(task)).cancel_requested
        control = asyncio.create_task(self.s.poll_nexus_task_queue(PollNexusTaskQueueRequest(**NS, task_queue=TaskQueue(name='control 10'), identity='other'), timeout=timedelta(seconds=60)))
        await self.cancel('t10')
        pushed = await asyncio.wait_for(control, 5)
        after = (await self.beat(task)).cancel_requested
        await self.canceled(task)
        return f'{before} {after}, pushed {pushed.request.start_operation.operation} {task.task_token in pushed.request.start_operation.payload.data}'
    async def t11(self):
        await self.start('a08', 't11')
        task = await self.poll()
        early = await refused(self.canceled(task))
        await self.cancel('t11')
        await self.failed(task, Failure(message='no', application_failure_info=ApplicationFailureInfo(type='No', non_retryable=True)))
        await self.history('t11', wait_new_event=True, history_event_filter_type=2)
        closed = await refused(self.cancel('t11'))
        return f'{early}; {types((await self.events("t11")))}; closed: {closed}'
    async def t12(self):
        await self.start('a27', 't12')
        await self.failed(await self.poll(), Failure(message='flaky', application_failure_info=ApplicationFailureInfo(type='Flaky')))
        pending = (await self.describe('t12')).pending_activities[0]
        before = types(await self.events('t12'))
        task = await self.poll()
        await self.completed(task, result=Payloads(payloads=[json('1')]))
        await self.history('t12', wait_new_event=True, history_event_filter_type=2)
        started = next(e for e in await self.events('t12') if e.HasField('activity_task_started_event_attributes')).activity_task_started_event_attributes
        return f'{pending.attempt} {pending.last_failure.message}: {before}; {started.attempt} {started.last_failure.message}'
    async def t13(self):
        limits = (await self.s.describe_namespace(DescribeNamespaceRequest(**NS))).namespace_info.limits
        start = await refused(self.s.start_workflow_execution(self.start_of('a01', 't13', input=Payloads(payloads=[WIDE]))))
        out = []
        for i, report in enumerate([lambda t: self.completed(t, result=Payloads(payloads=[WIDE])), lambda t: self.beat(t, details=Payloads(payloads=[WIDE]))]):
            await self.start('a10', f't13-{i}')
            task = await self.poll()
            answer = await refused(report(task))
            close = (await self.history(f't13-{i}', wait_new_event=True, history_event_filter_type=2)).history.events[0]
            info = close.workflow_execution_failed_event_attributes.failure.cause.application_failure_info
            out.append(f'{answer}: {info.type} {info.non_retryable}')
        name = await refused(self.signal('t13-0', signal_name='x' * 1001))
        return f'{limits.blob_size_limit_error}; {start}; {out}; {name}'
    async def t14(self):
        await self.start('holder', 't14')
        calls = [self.s.start_workflow_execution(self.start_of('a01', 't14', request_id='other')), self.describe('nobody'), self.query('t14', 'nothing'),
            self.s.describe_namespace(DescribeNamespaceRequest(namespace='elsewhere')), self.s.count_workflow_executions(CountWorkflowExecutionsRequest(namespace='elsewhere')), self.signal('t14')]
        found = [' '.join(w for w in (await refused(c)).split() if w.isupper() or w.endswith('Failure')) for c in calls]
        await self.terminate('t14')
        return found
    async def t15(self):
        odd = [Payload(metadata={'encoding': b'binary/encrypted', 'key': bytes(range(256))}, data=bytes(range(256))), Payload(metadata={'encoding': b'binary/null'}), Payload(data=b'x'), Payload()]
        await self.start('a10', 't15', memo=Memo(fields={str(i): p for i, p in enumerate(odd)}), header=Header(fields={'h': odd[0]}))
        task = await self.poll()
        beaten = Payloads(payloads=odd[:2])
        await self.beat(task, details=beaten)
        await self.signal('t15', signal_name='any', input=Payloads(payloads=odd), header=Header(fields={'h': odd[0]}))
        events = await self.events('t15')
        started = events[0].workflow_execution_started_event_attributes
        signaled = next(e for e in events if e.HasField('workflow_execution_signaled_event_attributes')).workflow_execution_signaled_event_attributes
        shown = (await self.describe('t15')).pending_activities[0].heartbeat_details
        await self.terminate('t15')
        return f'{[started.memo.fields[str(i)] for i in range(4)] == odd} {list(signaled.input.payloads) == odd} {started.header == signaled.header} {shown == beaten}'
    async def t16(self):
        inner = Failure(message='inner', stack_trace='at there', source='x', encoded_attributes=json('{}'), application_failure_info=ApplicationFailureInfo(type='Inner', details=Payloads(payloads=[json('7')])))
        for _ in range(60): inner = Failure(message='between', cause=inner, application_failure_info=ApplicationFailureInfo(type='Between'))
        outer = Failure(message='outer', encoded_attributes=json('{"a":1}'), stack_trace='at here', cause=inner, application_failure_info=ApplicationFailureInfo(type='Outer', non_retryable=True, details=Payloads(payloads=[json('1'), json('2')])))
        await self.start('a10', 't16')
        await self.failed(await self.poll(), outer)
        close = (await self.history('t16', wait_new_event=True, history_event_filter_type=2)).history.events[0]
        top = close.workflow_execution_failed_event_attributes.failure
        cause, deep = top.cause, 0
        while cause.HasField('cause'): cause, deep = cause.cause, deep + 1
        c = top.cause
        return f'{top.WhichOneof("failure_info")} {top.activity_failure_info.activity_type.name} <- {c.application_failure_info.type} {c.stack_trace} {c.encoded_attributes.data} {len(c.application_failure_info.details.payloads)}, {deep} causes'
    async def t17(self):
        for i in range(2): await self.start('a01', f't17-{i}')
        await self.terminate('t17-1')
        async def ids(query):
            return [e.execution.workflow_id for e in (await self.s.list_workflow_executions(ListWorkflowExecutionsRequest(**NS, query=query))).executions]
        found = [await ids(q) for q in ('WorkflowId="t17-0"', "WorkflowId STARTS_WITH 't17' AND ExecutionStatus != 'Running'", "WorkflowId IN ('t17-0', 't17-1') AND TaskQueue = 'scenarios' ORDER BY StartTime DESC",
            "WorkflowId = 't17-0' AND StartTime > '2020-01-01T00:00:00Z' AND CloseTime IS NULL")]
        count = await self.s.count_workflow_executions(CountWorkflowExecutionsRequest(**NS, query="WorkflowId STARTS_WITH 't17' GROUP BY ExecutionStatus"))
        wrong = [(await refused(self.s.list_workflow_executions(ListWorkflowExecutionsRequest(**NS, query=q)))).split()[0] for q in ('WorkflowId ~ 1', "ExecutionStatus = 'Nope'", '(' * 1000)]
        await self.terminate('t17-0')
        return f'{found} {[(g.group_values[0].data, g.count) for g in count.groups]} {wrong}'
    async def t18(self):
        eager = await self.s.start_workflow_execution(self.start_of('a10', 't18', request_eager_execution=True))
        task = await self.poll(worker_version_capabilities=dict(build_id='b1', use_versioning=True), task_queue_metadata=TaskQueueMetadata(max_tasks_per_second=dict(value=float('nan'))))
        await self.terminate('t18')
        return f'{eager.HasField("eager_workflow_task")} {task.activity_type.name}'
    async def t19(self):
        await self.start('holder', 't19')
        await self.signal('t19', signal_name='note', input=Payloads(payloads=[json('"a"')]))
        await self.signal('t19', signal_name='note', input=Payloads(payloads=[json('"end"')]))
        await self.history('t19', wait_new_event=True, history_event_filter_type=2)
        answer = (await self.query('t19', 'notes')).query_result.payloads[0].data
        return f'{answer} {[(await refused(self.query("t19", q))).split(":")[0] for q in ("__stack_trace", "__temporal_workflow_metadata")]}'
    async def t20(self):
        return await refused(self.s.poll_workflow_task_queue(PollWorkflowTaskQueueRequest(**NS, task_queue=TaskQueue(name='mine'))))

async def main(address):
    client = await Client.connect(address, runtime=Runtime(telemetry=TelemetryConfig(logging=None)))
    traps = Traps(client)
    # The third waits for 20 s; nothing else needs to.
    waiting = asyncio.create_task(traps.t3())
    for number in [*range(1, 3), *range(4, 21), 3]:
        try: found = await (waiting if number == 3 else getattr(traps, f't{number}')())
        except Exception as e: found = f'{type(e).__name__}: {e}'
        print(f'trap {number}: {found}', flush=True)

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))
    sys.stdout.flush()
    os._exit(0)
