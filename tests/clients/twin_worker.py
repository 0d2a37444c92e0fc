"""What serves the scenarios of twins.py. At Temporal: workflows that do what the guests of tests/guests/scenarios do, made of the
programs that the oracle records, and their activities. At ours: the activities alone, under the names that the guests have for them.
"""
import asyncio, logging
from collections.abc import Sequence
from typing import Any
from temporalio import activity, workflow
from temporalio.common import RawValue, RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from guest import S, Script, beat, cleanup

# Activities and workflow tasks of the scenarios fail on purpose; the SDK logs each.
logging.disable(logging.CRITICAL)

WAIT, ONCE = 'WAIT_CANCELLATION_COMPLETED', RetryPolicy(maximum_attempts=1)
def work(on_cancel='reraise', seconds=30.): return 'activity', on_cancel, seconds, WAIT, 1, 2, 60
# By workflow type, or by scenario where that differs: the program, or what makes it of the run's arguments.
PROGRAMS = dict(a01=('sleep',), a02_caught=('caught',), a04=('shielded', 2, False), a04_then_sleep=('shielded', 2, True), a05=('with_cleanup', 'raise', False, 0),
    a06=('with_cleanup', 'return', False, 0), a07=('order',), a08=work(), a09=work('return'), a10=('activity', 'deaf', 5, 'ABANDON', 1, 0, 60),
    a13=('child', WAIT, 'TERMINATE', 'sleep', []), a14=('child', 'TRY_CANCEL', 'REQUEST_CANCEL', 'with_cleanup', ['raise', False, 0]),
    a15=('child', 'WAIT_CANCELLATION_REQUESTED', 'ABANDON', 'shielded', [2, False]), a16=lambda id: ('external', id), a17=('linger',), a19=('can_once',),
    a20=('bug',), a21=('saga', 'reraise', False), a21_then_sleep=('saga', 'return', True), a23=('limited', 60), a24=('two_explicit',), a26=('can_after_cancel',),
    a22=('local', 'TRY_CANCEL'), a27=('resume',), s24=('child', 'ABANDON', 'TERMINATE', 'sleep', []),
    row28_cleanup_fails=('with_cleanup', 'raise', True, 0), row29_cancel_during_cleanup=('with_cleanup', 'raise', False, 4), A28=('with_cleanup', 'raise', False, 4),
    row35_terminate_during_cleanup=('with_cleanup', 'raise', False, 60), row42_run_timeout_while_canceling=('with_cleanup', 'raise', False, 60),
    row8_fails_after_ACR=work('fail'), A21_completed=('saga', 'return', False), A23b=('limited', 0), activity_fails=('fails',))
# What our activities do, by scenario: how `Work`, `C` and `Cleanup` are called.
BEHAVIOR = dict(row28_cleanup_fails=dict(Cleanup=(True, 0)), row29_cancel_during_cleanup=dict(Cleanup=(False, 4)), A28=dict(Cleanup=(False, 4)),
    row35_terminate_during_cleanup=dict(Cleanup=(False, 60)), row42_run_timeout_while_canceling=dict(Cleanup=(False, 60)),
    row8_fails_after_ACR=dict(Work=('fail', 30)), A21_completed=dict(C=('return', 30)), A21_then_sleep=dict(C=('return', 30)), A23a=dict(Work=('reraise', 60)),
    A23b=dict(Work=('reraise', 0)), activity_fails=dict(Work=None))

@activity.defn(name='Resume')
async def resume() -> int:
    """Attempt 1 heartbeats with 3 and then hangs; attempt 2 returns the details it was given."""
    if activity.info().attempt > 1: return activity.info().heartbeat_details[0]
    activity.heartbeat(3)
    await asyncio.sleep(60)
@activity.defn(name='Broken')
async def broken() -> None: raise ApplicationError('no good', 'why', type='Bad', non_retryable=True)

@workflow.defn(dynamic=True)
class Twin(Script):
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> Any:
        info, given = workflow.info(), [workflow.payload_converter().from_payload(a.payload) for a in args]
        program = PROGRAMS.get(info.task_queue) or PROGRAMS[info.workflow_type]
        program, *rest = program(*given) if callable(program) else program
        return await getattr(self, program)(*rest)
    async def caught(self):
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError: return 5
    async def bug(self):
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError: raise RuntimeError('the cancel handler has a bug')
    async def resume(self):
        return await workflow.execute_activity(resume, start_to_close_timeout=S(60), heartbeat_timeout=S(2), retry_policy=RetryPolicy(maximum_attempts=2))
    async def fails(self): return await workflow.execute_activity('Broken', start_to_close_timeout=S(60), retry_policy=ONCE)
    async def limited(self, seconds): return await self.with_timeout(seconds)

@workflow.defn(name='retried')
class Retried:
    @workflow.run
    async def run(self) -> Any:
        failure = workflow.get_last_failure()
        if failure is None: raise ApplicationError('not yet', type='Broken')
        return [workflow.info().attempt, str(failure)]

@workflow.defn(name='labeled')
class Labeled:
    def __init__(self): self.going = False
    @workflow.signal
    def go(self): self.going = True
    @workflow.run
    async def run(self) -> Any:
        customer, total = SearchAttributeKey.for_keyword('Customer'), SearchAttributeKey.for_int('Total')
        workflow.upsert_memo({'note': 'first'})
        workflow.upsert_search_attributes([customer.value_set('c1'), total.value_set(5)])
        await workflow.wait_condition(lambda: self.going)
        workflow.upsert_memo({'note': None})
        workflow.upsert_search_attributes([total.value_set(6)])
        workflow.upsert_search_attributes([customer.value_unset()])
        return workflow.memo_value('note', None)

@workflow.defn(name='holder')
class Holder:
    def __init__(self): self.kept, self.ended = [], False
    @workflow.run
    async def run(self) -> str:
        try: await workflow.wait_condition(lambda: self.ended)
        except asyncio.CancelledError: return 'bye'
        return 'end'
    @workflow.signal
    def note(self, note: str):
        if note == 'end': self.ended = True
        else: self.kept.append(note)
    @workflow.query
    def notes(self) -> list: return self.kept
    @workflow.query(name='fails')
    def query_fails(self) -> None: raise ApplicationError('so sad', type='Sad')
    @workflow.update
    async def upd(self) -> str: await asyncio.sleep(3600); return 'u'
    @workflow.update
    async def quick(self) -> str: return 'u'
    @workflow.update
    async def refused(self) -> str: return 'u'
    @refused.validator
    def check(self): raise ApplicationError('refused', type='Refused')
    @workflow.update(name='fails')
    async def update_fails(self) -> str: raise ApplicationError('so sad', type='Sad')

def activities(queue):
    """Those of our guests."""
    def named(name, does, *given):
        given = BEHAVIOR.get(queue, {}).get(name, given)
        async def act() -> Any:
            found = await (broken() if given is None else does(*given))
            # In the guests what cleans up and the step `C` have no result.
            return None if does is cleanup or name == 'C' else found
        return activity.defn(name=name)(act)
    return [named('Work', beat, 'reraise', 30.), named('Swallow', beat, 'return', 30.), named('Deaf', beat, 'deaf', 5.), named('C', beat, 'reraise', 30.),
        *(named(name, cleanup, False, 0) for name in ('Cleanup', 'A', 'B', 'a', 'b', 'c')), resume]

def worker(client, queue, sort, acts):
    here = dict(max_heartbeat_throttle_interval=S(.2), default_heartbeat_throttle_interval=S(.2), graceful_shutdown_timeout=S(0))
    if sort == 'sandglass': return Worker(client, task_queue=queue, activities=activities(queue), **here)
    return Worker(client, task_queue=queue, workflows=[Twin, Script, Retried, Labeled, Holder], activities=[beat, cleanup, resume, broken] if acts else [],
        workflow_runner=UnsandboxedWorkflowRunner(), max_cached_workflows=0, **here)
