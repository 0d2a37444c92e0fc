"""The workflow code and the activities that the scenarios run with Temporal's Python SDK.

`Script` has one method per program. Python's cancellation is one-shot: where a program needs the
idiom for that (an explicit check, an explicit cancel), a comment says so.
"""
import asyncio, time
from datetime import timedelta
from typing import Any
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, ChildWorkflowError

S = lambda s: timedelta(seconds=s)
ACT = workflow.ActivityCancellationType
CHD = workflow.ChildWorkflowCancellationType
PCP = workflow.ParentClosePolicy

@activity.defn
async def beat(on_cancel: str, seconds: float) -> int:
    """Heartbeats each 200 ms; on_cancel: reraise | return | fail | silent | deaf (never heartbeats)."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if on_cancel != 'deaf': activity.heartbeat('hb')
            await asyncio.sleep(.2)
        return 1
    except asyncio.CancelledError:
        if on_cancel == 'return': return 7
        if on_cancel == 'fail': raise ApplicationError('after cancel')
        if on_cancel == 'silent': await asyncio.sleep(60)
        raise CancelledError('asked', 'd1')

@activity.defn
async def cleanup(fail: bool, seconds: float) -> str:
    await asyncio.sleep(seconds)
    if fail: raise ApplicationError('cleanup broke', non_retryable=True)
    return 'clean'

def act(on_cancel='reraise', seconds=30., kind=ACT.WAIT_CANCELLATION_COMPLETED, attempts=1, hb=2, stc=60, interval=1, fn=beat):
    return workflow.start_activity(fn, args=[on_cancel, seconds], start_to_close_timeout=S(stc),
        heartbeat_timeout=S(hb) if hb else None, cancellation_type=kind,
        retry_policy=RetryPolicy(maximum_attempts=attempts, initial_interval=S(interval)))

def clean(fail=False, seconds=0.):
    return workflow.execute_activity(cleanup, args=[fail, seconds], start_to_close_timeout=S(60), retry_policy=RetryPolicy(maximum_attempts=1))

@workflow.defn
class Script:
    def __init__(self): self.go, self.log = 0, []
    @workflow.signal
    def sig(self): self.go += 1
    @workflow.query
    def seen(self) -> list: return self.log
    @workflow.run
    async def run(self, program: str, args: list) -> Any:
        return await getattr(self, program)(*args)
    async def sleep(self, s=3600): await asyncio.sleep(s)
    async def linger(self):
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError: await asyncio.sleep(3600)
    async def sleep_return(self, v):
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError: return [v, workflow.cancellation_reason()] if hasattr(workflow, 'cancellation_reason') else v
    async def shielded(self, s, raise_after):
        t = asyncio.create_task(asyncio.sleep(s))
        try: await asyncio.shield(t)
        except asyncio.CancelledError:
            await t
            if raise_after: raise
        return 'ok'
    async def with_cleanup(self, then, fail, seconds):
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await clean(fail, seconds)
            if then == 'raise': raise
            return 'cleaned'
    async def activity(self, on_cancel, seconds, kind, attempts, hb, stc):
        return await act(on_cancel, seconds, ACT[kind], attempts, hb, stc)
    async def backoff(self, kind):
        return await workflow.execute_activity(fails, start_to_close_timeout=S(60), cancellation_type=ACT[kind],
            retry_policy=RetryPolicy(maximum_attempts=10, initial_interval=S(60)))
    async def order(self):
        # Activities are scheduled at once, a timer when its task first runs: let it.
        k = ACT.TRY_CANCEL; ops = []
        for s in (3600, 3601): ops += [act(kind=k), asyncio.create_task(asyncio.sleep(s))]; await asyncio.sleep(0)
        await asyncio.gather(*ops)
    async def saga(self, on_cancel, then_sleep):
        done = []
        try:
            for name in 'AB': await clean(); done.append(name)
            await act(on_cancel); done.append('C')
            if then_sleep and workflow.cancellation_reason() is not None: raise asyncio.CancelledError()   # the request was spent on C
        except BaseException:
            for _ in reversed(done): await clean()
            raise
    async def unsent(self):
        a = act(); a.cancel()
        try: await a
        except (ActivityError, asyncio.CancelledError) as e: self.log.append(type(e).__name__)
        await asyncio.sleep(.3); return 'ok'
    async def child(self, kind, policy, program, args):
        h = await workflow.start_child_workflow(Script.run, args=[program, args], id=workflow.info().workflow_id + '-c',
            cancellation_type=CHD[kind], parent_close_policy=PCP[policy])
        return await h
    async def can_once(self):
        if workflow.info().continued_run_id is None: workflow.continue_as_new(args=['can_once', []])
        await asyncio.sleep(3600)
    async def go_sample(self):
        try: await act('return', 30)
        except asyncio.CancelledError: pass
        await clean(); raise asyncio.CancelledError()   # ToBeSkipped: level-triggered runtimes emit nothing
    async def one_activity_canceled(self):
        a = act(kind=ACT.TRY_CANCEL); await asyncio.sleep(1); a.cancel()
        try: await a
        except ActivityError as e: return type(e.cause).__name__
    async def trap_on_cancel(self):
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if not Fixed: raise RuntimeError('bug')
            raise
    async def two(self):
        k = ACT.TRY_CANCEL; a, b = act(kind=k), act(kind=k)
        await workflow.wait_condition(lambda: False)
    async def two_explicit(self):
        k = ACT.TRY_CANCEL; a, b = act(kind=k), act(kind=k)
        try: await workflow.wait_condition(lambda: False)
        except asyncio.CancelledError: a.cancel(); b.cancel(); raise
    async def external(self, id): await workflow.get_external_workflow_handle(id).cancel()
    async def told_before_end(self, s):
        # What the code knows of signals when its sleep ends shows in what it does then.
        try: await asyncio.sleep(s)
        except asyncio.CancelledError:
            if self.go: return 'signal'
            raise
        if self.go: await asyncio.sleep(3600)
        return 'no signal'
    async def can_after_cancel(self):
        if workflow.info().continued_run_id: await asyncio.sleep(3600)
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError: workflow.continue_as_new(args=['can_after_cancel', []])
    async def fail_after_cancel(self):
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError: raise ApplicationError('cleanup broke')
    async def canceled_with_details(self):
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError: raise CancelledError('why', 'd1')
    async def local(self, kind):
        return await workflow.execute_local_activity(beat, args=['reraise', 30.], start_to_close_timeout=S(60), cancellation_type=ACT[kind], retry_policy=RetryPolicy(maximum_attempts=1))
    async def with_timeout(self, seconds):
        t = asyncio.create_task(asyncio.sleep(1)); await asyncio.sleep(0); a = act(seconds=seconds)
        await workflow.wait([t, a], return_when=asyncio.FIRST_COMPLETED)
        if a.done(): t.cancel(); return 'done'
        a.cancel()
        try: await a
        except ActivityError: return 'timed out'
    async def try_then_linger(self):
        h = await workflow.start_child_workflow(Script.run, args=['sleep', []], id=workflow.info().workflow_id + '-c', cancellation_type=CHD.TRY_CANCEL, parent_close_policy=PCP.ABANDON)
        try: await h
        except ChildWorkflowError: await asyncio.sleep(1); raise
    async def update_holder(self):
        try: await workflow.wait_condition(lambda: False)
        except asyncio.CancelledError: return 'bye'
    @workflow.update
    async def upd(self) -> str: await asyncio.sleep(3600); return 'u'
    @workflow.update
    async def quick(self) -> str: return 'u'
    @workflow.update
    async def refused(self) -> str: return 'u'
    @refused.validator
    def check(self): raise ValueError('refused')
    async def fail_now(self): raise ApplicationError('e')
    async def child_limited(self):
        await workflow.execute_child_workflow(Script.run, args=['sleep', []], id=workflow.info().workflow_id + '-c', run_timeout=S(1))
    async def external_signal(self, id): await workflow.get_external_workflow_handle(id).signal('sig')
    async def trap_always(self):
        if not Fixed2: raise RuntimeError('bug')
        await asyncio.sleep(3600)
Fixed, Fixed2 = [], []
@activity.defn
async def fails() -> None: raise ApplicationError('first')
