"""The scenarios: one function each, named after the row of the semantics that it records."""
import asyncio, time, uuid
from guest import *
from harness import *

ALL = {}
def scenario(f): ALL[f.__name__] = f; return f

@scenario
async def A01(x):
    async with x.worker():
        h = await x.start('sleep'); await x.until(h, 'TS'); x.facts['rpc'] = await x.cancel(h); await x.closed(h); await x.record(h)

async def a02(x, *prog):
    h = await x.start(*prog); x.facts['rpc'] = await x.cancel(h)
    async with x.worker(): await x.closed(h)
    await x.record(h)
@scenario
async def A02a(x): await a02(x, 'sleep')
@scenario
async def A02b(x): await a02(x, 'sleep_return', 5)

@scenario
async def A03(x):
    async with x.worker(): h = await x.start('sleep'); await x.until(h, 'TS')
    x.facts['rpc'] = [await x.cancel(h), await x.cancel(h, 'r2', 'op2')]; x.facts['held'] = collapse(await x.toks(h))
    async with x.worker(): await x.closed(h)
    await x.record(h)

async def sdk(x, prog, *args, want=('TS',), started=0, pause=0.):
    async with x.worker():
        h = await x.start(prog, *args); await x.until(h, *want, act_started=started); await asyncio.sleep(pause)
        x.facts['rpc'] = await x.cancel(h); await x.closed(h); await x.record(h)
    return h
@scenario
async def A04a(x): await sdk(x, 'shielded', 2, False)
@scenario
async def A04b(x): await sdk(x, 'shielded', 2, True)
@scenario
async def A05(x): await sdk(x, 'with_cleanup', 'raise', False, 0)
@scenario
async def A06(x): await sdk(x, 'with_cleanup', 'ok', False, 0)
@scenario
async def row28_cleanup_fails(x): await sdk(x, 'with_cleanup', 'raise', True, 0)
@scenario
async def row29_cancel_during_cleanup(x):
    async with x.worker():
        h = await x.start('with_cleanup', 'raise', False, 2); await x.until(h, 'TS'); await x.cancel(h)
        await x.until(h, 'AS', act_started=1); x.facts['rpc2'] = await x.cancel(h, 'r2', 'op2'); await x.closed(h); await x.record(h)
@scenario
async def A07(x):
    """Ten times: the cancel commands come in the order in which the operations were started."""
    async with x.worker():
        orders = set()
        for i in range(10):
            h = await x.start('order', id=f'{x.tq}-{i}'); await x.until(h, 'AS', 'AS', 'TS', 'TS', act_started=2); await x.cancel(h); await x.closed(h)
            await x.record(h); orders.add(x.seq())
    x.facts['orders'] = sorted(orders)
@scenario
async def A08(x): await sdk(x, 'activity', 'reraise', 30, 'WAIT_CANCELLATION_COMPLETED', 1, 2, 60, want=('AS',), started=1)
@scenario
async def A09(x): await sdk(x, 'activity', 'return', 30, 'WAIT_CANCELLATION_COMPLETED', 1, 2, 60, want=('AS',), started=1)
@scenario
async def S18(x): await sdk(x, 'activity', 'reraise', 30, 'TRY_CANCEL', 1, 2, 60, want=('AS',), started=1)
@scenario
async def row8_fails_after_ACR(x): await sdk(x, 'activity', 'fail', 30, 'WAIT_CANCELLATION_COMPLETED', 10, 2, 60, want=('AS',), started=1)
@scenario
async def S21(x): await sdk(x, 'activity', 'deaf', 3, 'WAIT_CANCELLATION_COMPLETED', 1, 0, 60, want=('AS',), started=1)
@scenario
async def A10(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('activity', 'deaf', 5, 'ABANDON', 1, 0, 60); await x.until(h, 'AS'); t = await r.act()
        await x.cancel(h); await x.closed(h); n = len(await x.toks(h)); x.facts['late'] = [await r.beat(t), await r.act_done(t)]
        await asyncio.sleep(.3); x.facts['unchanged'] = n == len(await x.toks(h)); await x.record(h)
@scenario
async def A11(x):
    async with x.worker(acts=False):
        h = await x.start('activity', 'reraise', 5, 'WAIT_CANCELLATION_COMPLETED', 1, 2, 60); await x.until(h, 'AS'); await x.cancel(h); await x.closed(h); await x.record(h)
@scenario
async def row11_not_started_try(x):
    async with x.worker(acts=False):
        h = await x.start('activity', 'reraise', 5, 'TRY_CANCEL', 1, 2, 60); await x.until(h, 'AS'); await x.cancel(h); await x.closed(h); await x.record(h)
@scenario
async def row10_backoff(x):
    async with x.worker():
        h = await x.start('backoff', 'WAIT_CANCELLATION_COMPLETED'); await x.until(h, 'AS')
        while not any(p.attempt == 2 for p in (await h.describe()).raw_description.pending_activities): await asyncio.sleep(.1)
        await x.cancel(h); await x.closed(h); await x.record(h)
@scenario
async def row10_not_started_two_others(x):
    """AX's place relative to other commands of the same task."""
    r = Raw(x); h = await x.start('raw'); await r.step(c_act(x), c_timer('t', 60)); await x.cancel(h)
    x.facts['rpc'] = await r.step(c_act_cancel(5), c_timer('u', 60)); x.facts['after'] = collapse(await x.toks(h))
    await r.step(c_canceled()); await x.closed(h); await x.record(h)
@scenario
async def row9_heartbeat_timeout(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('activity', 'x', 5, 'WAIT_CANCELLATION_COMPLETED', 10, 2, 60); await x.until(h, 'AS'); t = await r.act(); await r.beat(t)
        await x.cancel(h); await x.closed(h); x.facts['late'] = [await r.beat(t), await r.act_done(t)]; await x.record(h)
@scenario
async def row9_start_to_close(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('activity', 'x', 5, 'WAIT_CANCELLATION_COMPLETED', 10, 0, 3); await x.until(h, 'AS'); t = await r.act()
        await x.cancel(h); await x.closed(h); x.facts['late'] = [await r.beat(t), await r.act_done(t)]; await x.record(h)
@scenario
async def A12(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('activity', 'x', 5, 'WAIT_CANCELLATION_COMPLETED', 1, 20, 60); await x.until(h, 'AS'); t = await r.act()
    await x.cancel(h); x.facts['held'] = [await r.beat(t)]; await asyncio.sleep(1); x.facts['held'].append(await r.beat(t)); x.facts['held_seq'] = collapse(await x.toks(h))
    x.facts['R20_before_ACR'] = await r.act_canceled(t)
    async with x.worker(acts=False):
        await x.until(h, 'ACR'); x.facts['after_ACR'] = await r.beat(t); x.facts['R20_after_ACR'] = await r.act_canceled(t); await x.closed(h)
        x.facts['after_close'] = [await r.beat(t), await r.act_canceled(t)]
    await x.record(h)
@scenario
async def A12_terminate(x):
    r = Raw(x)
    async with x.worker(acts=False):
        h = await x.start('activity', 'x', 5, 'WAIT_CANCELLATION_COMPLETED', 1, 20, 60); await x.until(h, 'AS'); t = await r.act()
        await h.terminate(reason='t'); x.facts['heartbeat'] = await r.beat(t); await x.closed(h)
    x.facts['terminate_again'] = await rpc(h.terminate(reason='u')); x.facts['signal_closed'] = await rpc(h.signal('sig')); await x.record(h)
@scenario
async def S31_not_found(x):
    r = Raw(x); b = {}
    h = await x.start('raw', id=x.tq + '-done'); await r.step(c_act(x)); t = await r.act(); await h.signal('sig'); await r.step(c_complete()); b['completed'] = await r.beat(t)
    h = await x.start('raw', id=x.tq + '-to', run_timeout=S(2)); await r.step(c_act(x)); t = await r.act(); await x.until_raw(h, lambda s: 'WTO' in s); b['wf_timed_out'] = await r.beat(t); await x.record(h)
    h = await x.start('raw', id=x.tq + '-ato'); await r.step(c_act(x, stc=1)); t = await r.act(); await x.until_raw(h, lambda s: 'ATO' in s); b['activity_timed_out'] = [await r.beat(t), await r.act_done(t)]; await h.terminate()
    h = await x.start('raw', id=x.tq + '-att'); await r.step(c_act(x, attempts=3)); t = await r.act(); await r.act_failed(t); t2 = await r.act()
    b['stale_attempt'] = [await r.beat(t), await r.act_done(t), await r.act_failed(t), await r.act_canceled(t)]; b['live_attempt'] = [await r.beat(t2), await r.act_done(t2), await r.act_done(t2)]; await h.terminate()
    x.facts.update(b)

async def child(x, kind, policy, prog, args, cpause=0.):
    async with x.worker():
        h = await x.start('child', kind, policy, prog, args); c = x.c.get_workflow_handle(x.tq + '-c'); await x.until(h, 'CS')
        try: await x.until(c, 'TS')
        except TimeoutError: pass
        await x.cancel(h); await x.closed(h); x.facts['child_at_parent_close'] = collapse(await x.toks(c)); await x.closed(c)
        await x.record(h); await x.record(c, 'c')
@scenario
async def A13(x): await child(x, 'WAIT_CANCELLATION_COMPLETED', 'TERMINATE', 'sleep', [])
@scenario
async def A14(x): await child(x, 'TRY_CANCEL', 'REQUEST_CANCEL', 'with_cleanup', ['raise', False, 1])
@scenario
async def A14_abandon_policy(x):
    async with x.worker():
        h = await x.start('child', 'TRY_CANCEL', 'ABANDON', 'sleep', [30]); c = x.c.get_workflow_handle(x.tq + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS')
        await x.cancel(h); await x.closed(h); await asyncio.sleep(2); x.facts['child_2s_later'] = collapse(await x.toks(c)); await x.record(h); await x.record(c, 'c'); await c.terminate()
@scenario
async def A15_python(x): await child(x, 'WAIT_CANCELLATION_REQUESTED', 'ABANDON', 'shielded', [3, False])
@scenario
async def row20_child_abandon(x):
    async with x.worker():
        h = await x.start('child', 'ABANDON', 'ABANDON', 'sleep', [30]); c = x.c.get_workflow_handle(x.tq + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS')
        await x.cancel(h); await x.closed(h); await asyncio.sleep(1); await x.record(h); await x.record(c, 'c'); await c.terminate()
@scenario
async def row21_child_ignores(x): await child(x, 'WAIT_CANCELLATION_COMPLETED', 'TERMINATE', 'shielded', [2, False])
@scenario
async def D_policy_request_cancel(x):
    """Parent terminated: child's CR by close policy."""
    async with x.worker():
        h = await x.start('child', 'ABANDON', 'REQUEST_CANCEL', 'sleep', []); c = x.c.get_workflow_handle(x.tq + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS')
        await h.terminate(reason='t'); await x.closed(c); await x.record(h); await x.record(c, 'c')
@scenario
async def D_policy_terminate(x):
    async with x.worker():
        h = await x.start('child', 'ABANDON', 'TERMINATE', 'sleep', []); c = x.c.get_workflow_handle(x.tq + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS')
        await h.terminate(reason='t'); await x.closed(c); await x.record(h); await x.record(c, 'c')

@scenario
async def row3_timer_fired_first(x):
    async with x.worker(): h = await x.start('sleep', 2); await x.until(h, 'TS')
    await x.cancel(h); await x.until_raw(h, lambda s: 'TF' in s)
    async with x.worker(): await x.closed(h)
    await x.record(h)
@scenario
async def R6_signal_behind_cancel(x):
    """Recorded before one workflow task: the request, then a signal. The SDK gives signals first."""
    async with x.worker(): h = await x.start('told_before_end', 3600); await x.until(h, 'TS')
    await x.cancel(h); await h.signal('sig')
    async with x.worker(): await x.closed(h)
    await x.record(h)
@scenario
async def R6_signal_behind_timer(x):
    """The same with a timer that has fired."""
    async with x.worker(): h = await x.start('told_before_end', 2); await x.until(h, 'TS')
    await x.until_raw(h, lambda s: 'TF' in s); await h.signal('sig')
    async with x.worker(): await x.until_raw(h, lambda s: s.count('TS') > 1)
    await x.record(h); await h.terminate()
@scenario
async def row4_buffered_fire_canceled(x):
    r = Raw(x); h = await x.start('raw'); await r.step(c_timer('t', 1)); await h.signal('sig'); t = await r.wft(); await asyncio.sleep(2.5)
    x.facts['rpc'] = await r.done(t, c_timer_cancel('t'), c_timer('u', 60)); await asyncio.sleep(.5); await x.record(h); await h.terminate()
@scenario
async def row13_completes_before_wft(x): await row13(x, 'TRY_CANCEL')
@scenario
async def row13_wait(x): await row13(x, 'WAIT_CANCELLATION_COMPLETED')
async def row13(x, kind):
    r = Raw(x)
    async with x.worker(acts=False): h = await x.start('activity', 'x', 5, kind, 1, 20, 60); await x.until(h, 'AS'); t = await r.act()
    await x.cancel(h); await r.act_done(t)
    async with x.worker(acts=False): await x.closed(h)
    await x.record(h)
@scenario
async def row14_unsent(x):
    async with x.worker(): h = await x.start('unsent'); await x.closed(h); await x.record(h)
@scenario
async def row30_closing_wft(x):
    r = Raw(x); h = await x.start('raw'); t = await r.wft(); x.facts['cancel'] = await x.cancel(h); x.facts['held'] = collapse(await x.toks(h))
    x.facts['complete'] = await r.done(t, c_complete()); x.facts['after'] = collapse(await x.toks(h)); x.facts['second'] = await r.step(c_complete()); await x.record(h); await x.closed(h)
@scenario
async def row30_closing_wft_with_commands(x):
    r = Raw(x); h = await x.start('raw'); t = await r.wft(); await x.cancel(h)
    x.facts['complete'] = await r.done(t, c_timer('t', 60), c_complete()); await r.step(c_canceled()); await x.record(h)
@scenario
async def row30_cancel_command_racing_cancel(x):
    """The closing command is CancelWorkflowExecution; a second request arrives while it runs."""
    r = Raw(x); h = await x.start('raw'); await x.cancel(h); t = await r.wft(); x.facts['cancel2'] = await x.cancel(h, 'r2'); x.facts['complete'] = await r.done(t, c_canceled()); await x.record(h)
@scenario
async def row31_open_wft(x):
    r = Raw(x); h = await x.start('raw'); t = await r.wft(); await x.cancel(h); x.facts['cancel2_buffered'] = await x.cancel(h, 'r2', 'op2'); await r.done(t, c_timer('t', 60), c_act(x)); x.facts['after'] = collapse(await x.toks(h))
    await r.step(c_timer_cancel('t'), c_act_cancel(6), c_canceled()); await x.record(h)
@scenario
async def unrequested_cancel_command(x):
    """R12: CancelWorkflowExecution with no request; does the server mind?"""
    r = Raw(x); h = await x.start('raw'); x.facts['complete'] = await r.step(c_canceled()); await x.record(h); await x.closed(h)
@scenario
async def A3_flush_order(x):
    """Buffered SG, AC, TF, CR: order at flush."""
    r = Raw(x); h = await x.start('raw'); await r.step(c_act(x), c_timer('t', 1)); a = await r.act(); await h.signal('sig'); t = await r.wft()
    await r.act_done(a); await x.cancel(h); await asyncio.sleep(2.5); await h.signal('sig'); await r.done(t); await x.record(h); await h.terminate()
@scenario
async def S53_terminate_started_wft(x):
    r = Raw(x); h = await x.start('raw'); await r.step(c_timer('t', 60)); await h.signal('sig'); t = await r.wft(); await x.cancel(h); await h.terminate(reason='t'); x.facts['late_complete'] = await r.done(t, c_complete()); await x.record(h)
@scenario
async def S53_terminate_idle(x):
    async with x.worker(): h = await x.start('sleep'); await x.until(h, 'TS'); await h.terminate(reason='t'); await x.closed(h); await x.record(h)
@scenario
async def S2_idle_then_pending(x):
    async with x.worker(): h = await x.start('sleep'); await x.until(h, 'TS')
    await x.cancel(h); x.facts['one'] = collapse(await x.toks(h)); await x.cancel(h, 'r2'); x.facts['two'] = collapse(await x.toks(h)); await h.terminate()
    async with x.worker(): h = await x.start('sleep', id=x.tq + '2'); await x.until(h, 'TS')
    await h.signal('sig'); await x.cancel(h); await x.record(h); await h.terminate()
@scenario
async def S37(x): await sdk(x, 'go_sample', want=('AS',), started=1)
@scenario
async def S56(x):
    async with x.worker(): h = await x.start('one_activity_canceled'); await x.closed(h); await x.record(h)
@scenario
async def A20(x):
    Fixed.clear()
    async with x.worker():
        h = await x.start('trap_on_cancel'); await x.until(h, 'TS'); await x.cancel(h); await x.until_raw(h, lambda s: 'Tf' in s); await asyncio.sleep(4)
        x.facts['failing'] = collapse(await x.toks(h)); x.facts['attempt'] = (await h.describe()).raw_description.pending_workflow_task.attempt
        Fixed.append(1); await x.closed(h, 40); await x.record(h)
@scenario
async def A17(x):
    async with x.worker():
        h = await x.start('linger'); await x.until(h, 'TS'); await x.cancel(h); await x.until(h, 'TS', 'TS'); await h.terminate(reason='t'); await x.closed(h); await x.record(h)
@scenario
async def row35_terminate_during_cleanup(x):
    async with x.worker():
        h = await x.start('with_cleanup', 'raise', False, 60); await x.until(h, 'TS'); await x.cancel(h); await x.until(h, 'AS', act_started=1); await h.terminate(reason='t'); await x.closed(h); await x.record(h)
@scenario
async def A24_one_shot(x): await sdk(x, 'two', want=('AS', 'AS'), started=2)
@scenario
async def R1_start_delay(x):
    async with x.worker(): h = await x.start('sleep', start_delay=S(300)); await asyncio.sleep(.5); x.facts['before'] = collapse(await x.toks(h)); await x.cancel(h); await x.closed(h); await x.record(h)
@scenario
async def R1_start_delay_signal(x):
    h = await x.start('sleep', start_delay=S(300)); await h.signal('sig'); await asyncio.sleep(1); await x.record(h); await x.cancel(h); x.facts['then_cancel'] = collapse(await x.toks(h)); await h.terminate()
@scenario
async def R1_cron(x):
    async with x.worker(): h = await x.start('sleep', cron_schedule='0 0 1 1 *'); await asyncio.sleep(.5); x.facts['before'] = collapse(await x.toks(h)); await x.cancel(h); await x.closed(h); await x.record(h)
@scenario
async def R5_reason(x):
    async with x.worker(): h = await x.start('sleep_return', 5); await x.until(h, 'TS'); await x.cancel(h, 'because'); await x.closed(h); await x.record(h)
@scenario
async def R18_R19_raw(x):
    """ACR twice, ACR of unknown id, retryable failure after ACR."""
    r = Raw(x); h = await x.start('raw'); await r.step(c_act(x, attempts=5)); a = await r.act(); await x.cancel(h); x.facts['acr_twice'] = await r.step(c_act_cancel(5), c_act_cancel(5)); x.facts['after'] = collapse(await x.toks(h))
    x.facts['fail'] = await r.act_failed(a); await r.step(c_canceled()); await x.record(h)
    h = await x.start('raw', id=x.tq + '-u'); t = await r.wft(); x.facts['acr_unknown'] = await r.done(t, c_act_cancel(99)); await x.record(h, 'unknown'); await h.terminate()
    h = await x.start('raw', id=x.tq + '-s'); t = await r.wft(); x.facts['acr_same_task'] = await r.done(t, c_act(x, 'z'), c_act_cancel(5)); await x.record(h, 'same_task'); await h.terminate()
@scenario
async def A0_rpc(x):
    f = x.facts
    async with x.worker():
        for how, prog in (('completed', ('shielded', 0.1, False)), ('canceled', ('sleep',)), ('terminated', ('sleep',))):
            h = await x.start(*prog, id=f'{x.tq}-{how}')
            if how != 'completed': await x.until(h, 'TS')
            if how == 'canceled': await x.cancel(h)
            if how == 'terminated': await h.terminate()
            await x.closed(h); n = len(await x.toks(h))
            f['cancel_' + how] = [await x.cancel(h), await x.cancel(h, run_id=h.first_execution_run_id)]; f['unchanged_' + how] = n == len(await x.toks(h)); f['terminate_' + how] = await rpc(h.terminate())
            f['terminate_with_run_' + how] = await rpc(x.c.get_workflow_handle(h.id, run_id=h.first_execution_run_id).terminate())
        f['unknown_id'] = await x.cancel('nope-' + x.tq); f['unknown_run'] = await x.cancel(h, run_id=str(uuid.uuid4())); f['bad_run'] = await x.cancel(h, run_id='zzz')
        f['first_on_closed'] = await x.cancel(h, first=h.first_execution_run_id); f['first_mismatch_closed'] = await x.cancel(h, first=str(uuid.uuid4()))
        f['empty_id'] = await x.cancel('')
@scenario
async def A19(x):
    f = x.facts
    async with x.worker():
        h = await x.start('can_once', id=x.tq); run1 = h.first_execution_run_id; cur = x.c.get_workflow_handle(x.tq); await x.until(cur, 'TS'); r1 = x.c.get_workflow_handle(x.tq, run_id=run1)
        f['run1'] = await x.cancel(h, run_id=run1); await asyncio.sleep(.5); f['run2_after'] = collapse(await x.toks(cur)); f['terminate_run1'] = await rpc(r1.terminate())
        f['first_mismatch'] = await x.cancel(h, first=str(uuid.uuid4())); f['first_match_with_run1'] = await x.cancel(h, run_id=run1, first=run1)
        await x.closed(cur); await x.record(r1, 'run1'); await x.record(cur, 'run2')
@scenario
async def R40_paused(x):
    async with x.worker(): h = await x.start('sleep'); await x.until(h, 'TS')
    s = x.c.workflow_service; f = x.facts
    f['pause'] = await rpc(s.pause_workflow_execution(PauseWorkflowExecutionRequest(namespace='default', workflow_id=h.id, identity='op', reason='p', request_id=str(uuid.uuid4()))))
    f['describe_status'] = (await s.describe_workflow_execution(DescribeWorkflowExecutionRequest(namespace='default', execution=WorkflowExecution(workflow_id=h.id)))).workflow_execution_info.status; f['signal'] = await rpc(h.signal('sig')); f['signaled'] = collapse(await x.toks(h)); f['cancel'] = await x.cancel(h); f['held'] = collapse(await x.toks(h))
    f['unpause'] = await rpc(s.unpause_workflow_execution(UnpauseWorkflowExecutionRequest(namespace='default', workflow_id=h.id, identity='op', reason='u', request_id=str(uuid.uuid4())))); f['unpaused'] = collapse(await x.toks(h))
    async with x.worker(): await x.closed(h)
    await x.record(h)
@scenario
async def describe_while_canceling(x):
    async with x.worker(): h = await x.start('sleep'); await x.until(h, 'TS')
    await x.cancel(h); d = (await h.describe()).raw_description; x.facts['describe_status'] = d.workflow_execution_info.status; x.facts['ext'] = str(d.workflow_extended_info).replace('\n', ' '); x.facts['pending'] = str(d.pending_workflow_task.state); await h.terminate()

# ---- second batch
@scenario
async def A24(x): await sdk(x, 'two_explicit', want=('AS', 'AS'), started=2)
@scenario
async def A16(x):
    async with x.worker():
        t = await x.start('sleep', id=x.tq + '-t'); await x.until(t, 'TS')
        h = await x.start('external', t.id, id=x.tq + '-a'); await x.closed(h); await x.record(h, 'a'); await x.closed(t); await x.record(t, 'target'); n = len(await x.toks(t))
        h = await x.start('external', t.id, id=x.tq + '-b'); await x.closed(h); await x.record(h, 'b'); x.facts['target_unchanged'] = n == len(await x.toks(t))
        h = await x.start('external', 'nope' + x.tq, id=x.tq + '-c'); await x.closed(h); await x.record(h, 'c')
def c_xi(id, run='', child=False, reason='rr'): return C('REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION', request_cancel_external_workflow_execution_command_attributes=RequestCancelExternalWorkflowExecutionCommandAttributes(namespace='default', workflow_id=id, run_id=run, child_workflow_only=child, reason=reason))
def c_child(x, id, policy=2): return C('START_CHILD_WORKFLOW_EXECUTION', start_child_workflow_execution_command_attributes=StartChildWorkflowExecutionCommandAttributes(namespace='default', workflow_id=id, workflow_type=WorkflowType(name='raw'), task_queue=TaskQueue(name=x.tq + '-child'), parent_close_policy=policy))
@scenario
async def R24_raw_external(x):
    """reason copied; self; child_workflow_only on a stranger; closed target with its run id."""
    r = Raw(x); t = await x.start('raw', id=x.tq + '-t'); await r.step()
    h = await x.start('raw'); await r.step(c_xi(t.id), c_xi(h.id), c_xi(t.id, child=True)); await asyncio.sleep(1); await x.record(h); await x.record(t, 'target'); await h.terminate(); await t.terminate()
@scenario
async def row22_child_start_cancel_one_task(x):
    r = Raw(x); h = await x.start('raw'); x.facts['rpc'] = await r.step(c_child(x, x.tq + '-c'), c_xi(x.tq + '-c', child=True)); await asyncio.sleep(.3); await x.record(h); await h.terminate()
@scenario
async def A15(x):
    r = Raw(x); h = await x.start('raw'); await r.step(c_child(x, x.tq + '-c')); await r.step(); await x.cancel(h); await r.step(c_xi(x.tq + '-c', child=True)); await r.step(c_canceled()); await x.record(h); c = x.c.get_workflow_handle(x.tq + '-c'); await x.record(c, 'c'); await c.terminate()
@scenario
async def D_lost_start(x):
    """Parent closes in the task that starts the child (ABANDON)."""
    r = Raw(x); h = await x.start('raw'); x.facts['rpc'] = await r.step(c_child(x, x.tq + '-c'), c_complete()); await asyncio.sleep(1); await x.record(h)
    x.facts['child'] = await rpc(x.c.get_workflow_handle(x.tq + '-c').describe())
@scenario
async def A26(x):
    async with x.worker():
        h = await x.start('can_after_cancel'); run1 = h.first_execution_run_id; await x.until(h, 'TS'); await x.cancel(h); cur = x.c.get_workflow_handle(h.id)
        await x.until_raw(cur, lambda s: 'WCAN' not in s and 'CR' not in s and 'TS' in s); await x.record(x.c.get_workflow_handle(h.id, run_id=run1), 'run1'); await x.record(cur, 'run2'); await cur.terminate()
@scenario
async def row37_retry_after_cancel(x):
    async with x.worker():
        h = await x.start('fail_after_cancel', retry_policy=RetryPolicy(maximum_attempts=5, initial_interval=S(1))); run1 = h.first_execution_run_id; await x.until(h, 'TS'); await x.cancel(h); cur = x.c.get_workflow_handle(h.id)
        await asyncio.sleep(2.5); await x.record(x.c.get_workflow_handle(h.id, run_id=run1), 'run1'); await x.record(cur, 'run2'); await cur.terminate()
@scenario
async def row38_cron_ok_after_cancel(x):
    async with x.worker():
        h = await x.start('shielded', 2, False, cron_schedule='@every 3s'); run1 = h.first_execution_run_id; await x.until(h, 'TS', limit=10); await x.cancel(h); cur = x.c.get_workflow_handle(h.id)
        await asyncio.sleep(3); await x.record(x.c.get_workflow_handle(h.id, run_id=run1), 'run1'); await x.record(cur, 'run2'); await cur.terminate()
@scenario
async def A22(x):
    async with x.worker(): h = await x.start('local', 'TRY_CANCEL'); await asyncio.sleep(1); t = time.time(); await x.cancel(h); await x.closed(h); x.facts['seconds_to_close'] = round(time.time() - t, 1); await x.record(h)
@scenario
async def row16_local_wait(x):
    async with x.worker(): h = await x.start('local', 'WAIT_CANCELLATION_COMPLETED'); await asyncio.sleep(1); t = time.time(); await x.cancel(h); await x.closed(h); x.facts['seconds_to_close'] = round(time.time() - t, 1); await x.record(h)
@scenario
async def row42_run_timeout_while_canceling(x):
    async with x.worker(): h = await x.start('with_cleanup', 'raise', False, 60, run_timeout=S(3)); await x.until(h, 'TS'); await x.cancel(h); await x.closed(h); await x.record(h)
@scenario
async def run_timeout_with_started_wft(x):
    r = Raw(x); h = await x.start('raw', run_timeout=S(2)); await r.wft(); await x.cancel(h); await x.until_raw(h, lambda s: 'WTO' in s); await x.record(h)
@scenario
async def wft_timeout_flushes_CR(x):
    r = Raw(x); h = await x.start('raw', task_timeout=S(1)); await r.wft(); await x.cancel(h); await x.until_raw(h, lambda s: 'Tx' in s); await r.step(c_canceled()); await x.record(h)
@scenario
async def cancel_into_failing_wft(x):
    """The workflow task is already failing (transient attempts) when the request arrives."""
    Fixed2.clear()
    async with x.worker():
        h = await x.start('trap_always'); await x.until_raw(h, lambda s: 'Tf' in s); await asyncio.sleep(1.5); x.facts['before'] = collapse(await x.toks(h)); await x.cancel(h); x.facts['after'] = collapse(await x.toks(h))
        await asyncio.sleep(6); x.facts['later'] = collapse(await x.toks(h)); Fixed2.append(1); await x.closed(h, 60); await x.record(h)
@scenario
async def cancel_in_transient_started(x):
    r = Raw(x); h = await x.start('raw'); t = await r.wft()
    await x.c.workflow_service.respond_workflow_task_failed(RespondWorkflowTaskFailedRequest(namespace='default', task_token=t.task_token, cause=14, identity='raw'))
    t = await r.wft(); x.facts['attempt2_started'] = collapse(await x.toks(h)); x.facts['attempt'] = t.attempt; await x.cancel(h); x.facts['after_cancel'] = collapse(await x.toks(h))
    x.facts['done'] = await r.done(t, c_timer('t', 60)); await x.record(h, 'done'); await h.terminate()
@scenario
async def cancel_in_transient_started_fails(x):
    r = Raw(x); h = await x.start('raw'); F = lambda t: x.c.workflow_service.respond_workflow_task_failed(RespondWorkflowTaskFailedRequest(namespace='default', task_token=t.task_token, cause=14, identity='raw'))
    await F(await r.wft()); t = await r.wft(); await x.cancel(h); await F(t); x.facts['after_fail'] = collapse(await x.toks(h)); await F(await r.wft()); x.facts['after_fail3'] = collapse(await x.toks(h)); await r.step(c_canceled()); await x.record(h)
@scenario
async def R18_more(x):
    """ACR while AC is buffered; ACR after AC; two ACR in two tasks; AX with details; no retry policy in the command."""
    r = Raw(x); h = await x.start('raw'); await r.step(c_act(x)); a = await r.act(); await x.cancel(h); t = await r.wft(); await r.act_done(a); x.facts['buffered'] = await r.done(t, c_act_cancel(5)); await x.record(h, 'buffered_close')
    x.facts['closed'] = await r.step(c_act_cancel(5)); await x.record(h, 'after_close'); await h.terminate()
    h = await x.start('raw', id=x.tq + '-2'); await r.step(c_act(x)); a = await r.act(); await x.cancel(h); await r.step(c_act_cancel(5)); await h.signal('sig'); x.facts['second_task'] = await r.step(c_act_cancel(5)); await r.step()
    p = Payloads(payloads=[Payload(metadata={'encoding': b'json/plain'}, data=b'"d"')]); x.facts['heartbeat'] = await r.beat(a)
    await x.c.workflow_service.respond_activity_task_canceled(RespondActivityTaskCanceledRequest(namespace='default', task_token=a.task_token, identity='rawact', details=p))
    await r.step(C('CANCEL_WORKFLOW_EXECUTION', cancel_workflow_execution_command_attributes=CancelWorkflowExecutionCommandAttributes(details=p))); await x.record(h, 'details')
    h = await x.start('raw', id=x.tq + '-3'); k = c_act(x); k.schedule_activity_task_command_attributes.ClearField('retry_policy'); await r.step(k); a = await r.act(); x.facts['no_policy_started'] = collapse(await x.toks(h)); await r.act_done(a); await x.record(h, 'no_policy'); await h.terminate()
    h = await x.start('raw', id=x.tq + '-4'); await r.step(c_act(x, attempts=5)); a = await r.act(); await x.cancel(h); await r.step(c_act_cancel(5)); x.facts['fail'] = await r.act_failed(a); await x.record(h, 'R19'); await h.terminate()
@scenario
async def R13_details(x): await sdk(x, 'canceled_with_details')
@scenario
async def A23a(x):
    async with x.worker(): h = await x.start('with_timeout', 60); await x.closed(h); await x.record(h)
@scenario
async def A23b(x):
    async with x.worker(): h = await x.start('with_timeout', .3); await x.closed(h); await x.record(h)
@scenario
async def R17_reset(x):
    async with x.worker():
        h = await x.start('sleep'); await x.until(h, 'TS'); await h.signal('sig'); await x.until(h, 'SG', 'Tc', 'Tc'); await x.cancel(h); await x.closed(h); run1 = h.first_execution_run_id
        q = await x.c.workflow_service.reset_workflow_execution(ResetWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=h.id, run_id=run1), workflow_task_finish_event_id=4, reason='u', request_id=str(uuid.uuid4())))
        cur = x.c.get_workflow_handle(h.id, run_id=q.run_id); await x.until(cur, 'TS'); await x.record(x.c.get_workflow_handle(h.id, run_id=run1), 'old'); await x.record(cur, 'new'); x.facts['cancel_requested'] = (await cur.describe()).raw_description.workflow_extended_info.cancel_requested; await cur.terminate()
@scenario
async def terminate_first_run_id(x):
    async with x.worker():
        h = await x.start('can_once', id=x.tq); run1 = h.first_execution_run_id; cur = x.c.get_workflow_handle(x.tq); await x.until(cur, 'TS')
        T = lambda **k: rpc(x.c.workflow_service.terminate_workflow_execution(TerminateWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=h.id, run_id=k.pop('run', '')), **k)))
        x.facts['mismatch'] = await T(first_execution_run_id=str(uuid.uuid4())); x.facts['unknown_run'] = await T(run=str(uuid.uuid4())); x.facts['match'] = await T(first_execution_run_id=run1); x.facts['unknown_id'] = await rpc(x.c.get_workflow_handle('nope' + x.tq).terminate())
        x.facts['closed_unknown_run_cancel'] = await x.cancel(h, run_id=str(uuid.uuid4())); await x.record(cur)

# ---- third batch
@scenario
async def row19_parent_lives_on(x):
    async with x.worker():
        h = await x.start('try_then_linger'); c = x.c.get_workflow_handle(x.tq + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS'); await x.cancel(h); await x.closed(h); await x.closed(c); await x.record(h); await x.record(c, 'c')
@scenario
async def A27(x):
    r = Raw(x); h = await x.start('raw'); await r.step(c_act(x, attempts=2, hb=1)); a = await r.act(); p = Payloads(payloads=[Payload(metadata={'encoding': b'json/plain'}, data=b'3')])
    await r.s.record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest(namespace='default', task_token=a.task_token, details=p)); b = await r.act(); x.facts['attempt2_details'] = payload_text(b.heartbeat_details); x.facts['late_attempt1'] = await r.beat(a)
    await r.act_done(b); await r.step(c_complete()); await x.record(h)
@scenario
async def row43_update(x):
    """Python does not cancel update handlers: the recorded tail is Python's, not the rule's."""
    async with x.worker():
        h = await x.start('update_holder'); u = asyncio.create_task(rpc(h.execute_update('upd'))); await x.until(h, 'UA', 'TS'); await x.cancel(h); await x.closed(h); await x.record(h)
        try: x.facts['update'] = await asyncio.wait_for(u, 5)
        except BaseException as e: x.facts['update'] = f'{type(e).__name__}: {e} <- {e.__cause__!r}'
@scenario
async def A11_two_not_started_with_timers(x):
    """Where AX goes when several commands follow its ACR."""
    r = Raw(x); h = await x.start('raw'); await r.step(c_act(x, 'a1'), c_timer('t1', 60), c_act(x, 'a2'), c_timer('t2', 60)); await x.cancel(h)
    await r.step(c_act_cancel(5), c_timer_cancel('t1'), c_act_cancel(7), c_timer_cancel('t2')); await r.step(c_canceled()); await x.record(h)
@scenario
async def signal_then_cancel_first_wft(x):
    h = await x.start('sleep'); await h.signal('sig'); await x.cancel(h); await h.signal('sig')
    async with x.worker(): await x.closed(h)
    await x.record(h)
@scenario
async def same_request_id(x):
    h = await x.start('sleep'); q = RequestCancelWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=h.id), identity='op', request_id='same', reason='r1')
    x.facts['rpc'] = [await rpc(x.c.workflow_service.request_cancel_workflow_execution(q)) for _ in '12']; await x.record(h); await h.terminate()
@scenario
async def cancel_buffered_describe(x):
    r = Raw(x); h = await x.start('raw'); t = await r.wft(); await x.cancel(h); x.facts['held_cancel_requested'] = (await h.describe()).raw_description.workflow_extended_info.cancel_requested; await r.done(t); x.facts['flushed_cancel_requested'] = (await h.describe()).raw_description.workflow_extended_info.cancel_requested; await x.record(h); await h.terminate()

@scenario
async def cancel_in_wft_backoff(x):
    """Request between two transient attempts: the pending task is scheduled, not started."""
    r = Raw(x); h = await x.start('raw'); F = lambda t: x.c.workflow_service.respond_workflow_task_failed(RespondWorkflowTaskFailedRequest(namespace='default', task_token=t.task_token, cause=14, identity='raw'))
    x.facts['gap_s'] = []; t0 = time.monotonic()
    for _ in range(3): t = await r.wft(); x.facts['gap_s'].append(round(time.monotonic() - t0, 1)); t0 = time.monotonic(); await F(t)
    x.facts['before'] = collapse(await x.toks(h)); await x.cancel(h); x.facts['after'] = collapse(await x.toks(h)); x.facts['pending'] = str((await h.describe()).raw_description.pending_workflow_task).replace('\n', ' ')
    t = await r.wft(30); x.facts['next_task_after_s'] = round(time.monotonic() - t0, 1); x.facts['attempt'] = t.attempt; x.facts['started'] = collapse(await x.toks(h)); await F(t); x.facts['failed_again'] = collapse(await x.toks(h)); await r.done(await r.wft(30), c_canceled()); await x.record(h)
@scenario
async def ACR_while_failed_attempt_buffered(x):
    """The activity goes into retry backoff while the task that cancels it is open."""
    r = Raw(x); h = await x.start('raw'); await r.step(c_act(x, attempts=5)); a = await r.act(); await x.cancel(h); t = await r.wft(); await r.act_failed(a); x.facts['rpc'] = await r.done(t, c_act_cancel(5)); await x.record(h); await h.terminate()

# ---- fourth batch: the scenarios of section 4 that were not recorded before
@scenario
async def A18(x):
    """The worker holds the second task: to the server that is a guest that spins."""
    r = Raw(x); h = await x.start('raw'); await r.step(); await h.signal('go'); await r.wft(); await h.terminate(reason='t'); await x.record(h)
async def saga(x, on_cancel, then_sleep): await sdk(x, 'saga', on_cancel, then_sleep, want=('AS', 'AS', 'AS'), started=1)
@scenario
async def A21(x): await saga(x, 'reraise', False)
@scenario
async def A21_completed(x): await saga(x, 'return', False)
@scenario
async def A21_then_sleep(x): await saga(x, 'return', True)
@scenario
async def A28(x):
    async with x.worker():
        h = await x.start('with_cleanup', 'raise', False, 5); await x.until(h, 'TS'); await x.cancel(h); await x.until(h, 'AS', act_started=1)
        d = (await h.describe()).raw_description; x.facts['status'] = [d.workflow_execution_info.status]; x.facts['pending'] = [p.activity_type.name for p in d.pending_activities]
        await x.closed(h); await x.record(h)

# ---- fifth batch: how children and other runs end, messages
@scenario
async def S24(x): await child(x, 'ABANDON', 'TERMINATE', 'sleep', [])
@scenario
async def child_fails(x):
    async with x.worker(): h = await x.start('child', 'WAIT_CANCELLATION_COMPLETED', 'TERMINATE', 'fail_now', []); await x.closed(h); await x.record(h)
@scenario
async def child_is_terminated(x):
    async with x.worker():
        h = await x.start('child', 'WAIT_CANCELLATION_COMPLETED', 'TERMINATE', 'sleep', []); c = x.c.get_workflow_handle(x.tq + '-c'); await x.until(h, 'CS'); await x.until(c, 'TS')
        await c.terminate(reason='t'); await x.closed(h); await x.record(h); await x.record(c, 'c')
@scenario
async def child_times_out(x):
    async with x.worker(): h = await x.start('child_limited'); await x.closed(h); await x.record(h)
@scenario
async def child_cannot_start(x):
    async with x.worker():
        c = await x.start('sleep', id=x.tq + '-c'); h = await x.start('child', 'WAIT_CANCELLATION_COMPLETED', 'TERMINATE', 'sleep', []); await x.closed(h); await x.record(h); await c.terminate()
@scenario
async def external_signal(x):
    async with x.worker():
        t = await x.start('sleep', id=x.tq + '-t'); await x.until(t, 'TS'); h = await x.start('external_signal', t.id); await x.closed(h); await x.until(t, 'SG', 'Tc', 'Tc'); await x.record(h); await x.record(t, 'target'); await t.terminate()
        h = await x.start('external_signal', 'nope' + x.tq, id=x.tq + '-u'); await x.closed(h); await x.record(h, 'unknown')
@scenario
async def signal_with_start(x):
    h = await x.start('sleep', start_signal='sig'); await x.record(h); await h.terminate()
@scenario
async def update_completes(x):
    async with x.worker(): h = await x.start('update_holder'); await x.until(h, 'Tc'); x.facts['result'] = [await h.execute_update('quick')]; await x.record(h); await h.terminate()
@scenario
async def update_is_refused(x):
    async with x.worker(): h = await x.start('update_holder'); await x.until(h, 'Tc'); x.facts['refused'] = await refusal(h.execute_update('refused')); await x.record(h); await h.terminate()
async def refusal(call):
    try: await call
    except Exception as e: return f'{type(e).__name__}: {e.__cause__}'
