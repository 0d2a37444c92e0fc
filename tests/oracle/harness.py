"""One scenario's connection to the server: starts workers, cancels, waits, keeps raw histories.

`Raw` speaks the worker protocol itself, for the moments inside a workflow task.
"""
import asyncio, time, uuid
from temporalio.api.command.v1 import *
from temporalio.api.common.v1 import ActivityType, Payload, Payloads, WorkflowType, WorkflowExecution, RetryPolicy as PRetry
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import *
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from google.protobuf.duration_pb2 import Duration
from guest import S, Script, beat, cleanup, fails

SHORT = dict(
    WORKFLOW_EXECUTION_STARTED='WES', WORKFLOW_EXECUTION_COMPLETED='WC', WORKFLOW_EXECUTION_FAILED='WF',
    WORKFLOW_EXECUTION_CANCELED='WX', WORKFLOW_EXECUTION_TERMINATED='WK', WORKFLOW_EXECUTION_TIMED_OUT='WTO',
    WORKFLOW_EXECUTION_CONTINUED_AS_NEW='WCAN', WORKFLOW_EXECUTION_CANCEL_REQUESTED='CR',
    WORKFLOW_EXECUTION_SIGNALED='SG', WORKFLOW_TASK_SCHEDULED='Ts', WORKFLOW_TASK_STARTED='Tb',
    WORKFLOW_TASK_COMPLETED='Tc', WORKFLOW_TASK_FAILED='Tf', WORKFLOW_TASK_TIMED_OUT='Tx',
    ACTIVITY_TASK_SCHEDULED='AS', ACTIVITY_TASK_STARTED='AB', ACTIVITY_TASK_COMPLETED='AC',
    ACTIVITY_TASK_FAILED='AF', ACTIVITY_TASK_TIMED_OUT='ATO', ACTIVITY_TASK_CANCEL_REQUESTED='ACR',
    ACTIVITY_TASK_CANCELED='AX', TIMER_STARTED='TS', TIMER_FIRED='TF', TIMER_CANCELED='TC', MARKER_RECORDED='MR',
    START_CHILD_WORKFLOW_EXECUTION_INITIATED='CI', START_CHILD_WORKFLOW_EXECUTION_FAILED='CSF',
    CHILD_WORKFLOW_EXECUTION_STARTED='CS', CHILD_WORKFLOW_EXECUTION_COMPLETED='CC',
    CHILD_WORKFLOW_EXECUTION_FAILED='CF', CHILD_WORKFLOW_EXECUTION_CANCELED='CX',
    CHILD_WORKFLOW_EXECUTION_TIMED_OUT='CTO', CHILD_WORKFLOW_EXECUTION_TERMINATED='CK',
    REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED='XI', REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED='XF',
    EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED='XR', WORKFLOW_EXECUTION_PAUSED='PAUSED',
    SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED='GI', SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED='GF',
    EXTERNAL_WORKFLOW_EXECUTION_SIGNALED='GD',
    WORKFLOW_EXECUTION_UNPAUSED='UNPAUSED', WORKFLOW_EXECUTION_UPDATE_ACCEPTED='UA', WORKFLOW_EXECUTION_UPDATE_COMPLETED='UC')

def short(ev):
    return SHORT.get(EventType.Name(ev.event_type)[len('EVENT_TYPE_'):], EventType.Name(ev.event_type))

def payload_text(p):
    return [x.data.decode(errors='replace') for x in p.payloads]

def collapse(toks):
    out, i = [], 0
    while i < len(toks):
        if toks[i:i+3] == ['Ts', 'Tb', 'Tc']: out.append('T'); i += 3
        else: out.append(toks[i]); i += 1
    return out

class Ctx:
    def __init__(self, client, name):
        self.c, self.name = client, name
        self.tq = f'{name}-{uuid.uuid4().hex[:6]}'; self.seqs, self.histories, self.facts = {}, {}, {}
    def worker(self, wf=True, acts=True, tq=None):
        return Worker(self.c, task_queue=tq or self.tq, workflows=[Script] if wf else [], activities=[beat, cleanup, fails] if acts else [],
            workflow_runner=UnsandboxedWorkflowRunner(), max_cached_workflows=0, max_heartbeat_throttle_interval=S(.2),
            default_heartbeat_throttle_interval=S(.2), graceful_shutdown_timeout=S(0))
    async def start(self, program, *args, id=None, **kw):
        return await self.c.start_workflow(Script.run, args=[program, list(args)], id=id or self.tq, task_queue=self.tq, **kw)
    async def cancel(self, h, reason='r1', identity='op', run_id='', first=''):
        return await rpc(self.c.workflow_service.request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest(
            namespace='default', workflow_execution=WorkflowExecution(workflow_id=h if isinstance(h, str) else h.id, run_id=run_id),
            identity=identity, request_id=str(uuid.uuid4()), reason=reason, first_execution_run_id=first)))
    async def toks(self, h): return [short(e) for e in (await h.fetch_history()).events]
    async def until(self, h, *want, act_started=0, limit=20):
        """Waits for the tokens (with multiplicity), then for no pending workflow task."""
        end = time.monotonic() + limit
        while True:
            d = (await h.describe()).raw_description; t = await self.toks(h)
            if all(t.count(w) >= want.count(w) for w in want) and not d.HasField('pending_workflow_task') and \
               sum(p.state in (2, 3) for p in d.pending_activities) >= act_started: return t
            if time.monotonic() > end: raise TimeoutError(f'until {want}: {collapse(t)}')
            await asyncio.sleep(.05)
    async def until_raw(self, h, pred, limit=20):
        end = time.monotonic() + limit
        while not pred(t := await self.toks(h)):
            if time.monotonic() > end: raise TimeoutError(str(collapse(t)))
            await asyncio.sleep(.05)
    async def closed(self, h, limit=30):
        try: r = await asyncio.wait_for(h.result(), limit); self.facts.setdefault('result', []).append(repr(r))
        except WorkflowFailureError as e:
            c, chain = e.cause, []
            while c: chain.append(f'{type(c).__name__}({c})'); c = c.__cause__
            self.facts.setdefault('result', []).append(' <- '.join(chain))
        except Exception as e: self.facts.setdefault('result', []).append(repr(e))
        self.facts.setdefault('status', []).append((await h.describe()).status.name)
    async def record(self, h, label='w'):
        history = await h.fetch_history()
        self.seqs[label], self.histories[label] = collapse([short(e) for e in history.events]), history.to_json_dict()
    def seq(self, label='w'): return ','.join(self.seqs[label])

async def rpc(coro):
    try: await coro; return 'OK'
    except RPCError as e: return f'{e.status.name}: {e.message}'

class Raw:
    """Speaks the worker protocol so that a task can be held open."""
    def __init__(self, ctx): self.x, self.s = ctx, ctx.c.workflow_service
    async def wft(self, limit=15):
        r = await self.s.poll_workflow_task_queue(PollWorkflowTaskQueueRequest(namespace='default', task_queue=TaskQueue(name=self.x.tq), identity='raw'), timeout=S(limit))
        assert r.task_token, 'no workflow task'; return r
    async def done(self, t, *commands):
        return await rpc(self.s.respond_workflow_task_completed(RespondWorkflowTaskCompletedRequest(namespace='default', task_token=t.task_token, commands=commands, identity='raw')))
    async def step(self, *commands): return await self.done(await self.wft(), *commands)
    async def act(self, limit=15):
        r = await self.s.poll_activity_task_queue(PollActivityTaskQueueRequest(namespace='default', task_queue=TaskQueue(name=self.x.tq), identity='rawact'), timeout=S(limit))
        assert r.task_token, 'no activity task'; return r
    async def beat(self, t):
        try: r = await self.s.record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest(namespace='default', task_token=t.task_token, identity='rawact'))
        except RPCError as e: return f'{e.status.name}: {e.message}'
        return f'cancel_requested={r.cancel_requested}'
    async def act_done(self, t): return await rpc(self.s.respond_activity_task_completed(RespondActivityTaskCompletedRequest(namespace='default', task_token=t.task_token, identity='rawact')))
    async def act_canceled(self, t): return await rpc(self.s.respond_activity_task_canceled(RespondActivityTaskCanceledRequest(namespace='default', task_token=t.task_token, identity='rawact')))
    async def act_failed(self, t): return await rpc(self.s.respond_activity_task_failed(RespondActivityTaskFailedRequest(namespace='default', task_token=t.task_token, identity='rawact')))

C = lambda kind, **kw: Command(command_type=getattr(CommandType, 'COMMAND_TYPE_' + kind), **kw)
def c_timer(id, s): return C('START_TIMER', start_timer_command_attributes=StartTimerCommandAttributes(timer_id=id, start_to_fire_timeout=Duration(seconds=s)))
def c_timer_cancel(id): return C('CANCEL_TIMER', cancel_timer_command_attributes=CancelTimerCommandAttributes(timer_id=id))
def c_act(x, id='a1', stc=60, hb=0, attempts=1, interval=1):
    return C('SCHEDULE_ACTIVITY_TASK', schedule_activity_task_command_attributes=ScheduleActivityTaskCommandAttributes(activity_id=id,
        activity_type=ActivityType(name='raw'), task_queue=TaskQueue(name=x.tq), start_to_close_timeout=Duration(seconds=stc),
        heartbeat_timeout=Duration(seconds=hb), retry_policy=PRetry(maximum_attempts=attempts, initial_interval=Duration(seconds=interval))))
def c_act_cancel(event_id): return C('REQUEST_CANCEL_ACTIVITY_TASK', request_cancel_activity_task_command_attributes=RequestCancelActivityTaskCommandAttributes(scheduled_event_id=event_id))
def c_complete(): return C('COMPLETE_WORKFLOW_EXECUTION', complete_workflow_execution_command_attributes=CompleteWorkflowExecutionCommandAttributes())
def c_canceled(): return C('CANCEL_WORKFLOW_EXECUTION', cancel_workflow_execution_command_attributes=CancelWorkflowExecutionCommandAttributes())
