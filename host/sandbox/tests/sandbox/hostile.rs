//! Guests that take too much. Each fails its workflow task with a name and a backtrace.

use crate::{guests, runs};
use sandglass_engine::{Driver, GuestEvent, TaskFailedCause, TaskFailure};
use sandglass_sandbox::{Level, Sandbox};
use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Runs a guest that must trap.
fn trap_in(sandbox: &Sandbox, activate: &str, more: &str) -> TaskFailure {
    let component = guests::workflow_with(activate, more);
    let failure = runs::run(&mut runs::instance(sandbox, &component)).unwrap_err();
    assert_eq!(
        failure.cause,
        TaskFailedCause::WorkflowWorkerUnhandledFailure
    );
    failure
}

fn trap(activate: &str, more: &str) -> TaskFailure {
    trap_in(&runs::sandbox(), activate, more)
}

#[test]
fn a_loop_is_stopped_at_its_deadline() {
    let failure = trap_in(&runs::impatient(), "(loop $again (br $again))", "");
    assert_eq!(runs::failure_type(&failure.failure), "DeadlineExceeded");
    assert_eq!(failure.failure.message, "one event took longer than 100 ms");
    assert!(
        failure.failure.stack_trace.contains("activate"),
        "{failure:?}"
    );
}

#[test]
fn each_event_has_the_whole_budget() {
    // Counts for far less than 100 ms in each of many events; together they take longer.
    let spin = "(local $i i32) (loop $again
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 1000000))))";
    let component = guests::workflow(spin);
    let mut instance = runs::instance(&runs::impatient(), &component);
    let mut task = runs::first_task();
    let event = task.next().unwrap().unwrap();
    let begun = Instant::now();
    let mut deliveries = 0;
    while begun.elapsed() < Duration::from_millis(300) {
        let (returned, result) = instance.deliver(event.clone(), task);
        task = returned;
        result.unwrap();
        deliveries += 1;
    }
    assert!(deliveries > 3, "{deliveries} events in 300 ms");
}

#[test]
fn another_thread_interrupts_a_loop() {
    let component = guests::workflow_with(
        "(call $log (i32.const 2) (i32.const 1024) (i32.const 2) (i32.const 1024) (i32.const 2))
         (loop $again (br $again))",
        r#"(data (i32.const 1024) "go")"#,
    );
    let component = runs::sandbox().load_workflow(&component).unwrap();
    let (started, wait) = mpsc::channel();
    let sink = Arc::new(move |_: Level, _: &str, _: &str| started.send(Instant::now()).unwrap());
    let mut instance = component.instantiate(sink);
    let interrupter = instance.interrupter();
    let guest = thread::spawn(move || (runs::run(&mut instance).unwrap_err(), instance));
    let started = wait.recv().unwrap();
    interrupter.interrupt();
    let (failure, mut instance) = guest.join().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(runs::failure_type(&failure.failure), "Interrupted");
    // What has trapped stays so.
    let failure = runs::run(&mut instance).unwrap_err();
    assert_eq!(
        failure.failure.message,
        "the instance has trapped before and cannot go on"
    );
}

#[test]
fn an_interrupted_instance_takes_no_event() {
    let mut instance = runs::instance(&runs::sandbox(), &guests::workflow(""));
    instance.interrupter().interrupt();
    let failure = runs::run(&mut instance).unwrap_err();
    assert_eq!(runs::failure_type(&failure.failure), "Interrupted");
}

#[test]
fn memory_ends_in_a_trap() {
    let failure = trap(
        "(loop $again (drop (memory.grow (i32.const 16))) (br $again))",
        "",
    );
    assert_eq!(runs::failure_type(&failure.failure), "MemoryLimit");
    assert!(
        failure.failure.message.contains("more than the 268435456"),
        "{failure}"
    );
}

#[test]
fn a_guests_own_maximum_is_a_value() {
    // Declared in its code, so every host gives the same answer.
    let component = guests::workflow_with(
        "(call $start_timer (i32.const 0)
           (i64.extend_i32_u (i32.and (memory.grow $own (i32.const 9)) (i32.const 0xff)))
           (i32.const 2048))",
        "(memory $own 1 2)",
    );
    let (_, events) = runs::run(&mut runs::instance(&runs::sandbox(), &component)).unwrap();
    assert_eq!(runs::timer(&events), 0xff);
}

#[test]
fn tables_end_in_a_trap() {
    let grow = "(loop $again
        (drop (table.grow $t (ref.null func) (i32.const 100000))) (br $again))";
    let failure = trap(grow, "(table $t 1 funcref)");
    assert_eq!(runs::failure_type(&failure.failure), "TableLimit");
}

#[test]
fn recursion_ends_in_a_trap() {
    let failure = trap(
        "(drop (call $deeper (i32.const 0)))",
        "(func $deeper (param i32) (result i32)
           (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))",
    );
    assert_eq!(runs::failure_type(&failure.failure), "StackOverflow");
    assert!(
        failure.failure.stack_trace.contains("deeper"),
        "{failure:?}"
    );
    assert!(failure.failure.stack_trace.len() <= 16 << 10);
}

#[test]
fn a_panic_is_told_with_its_message() {
    let failure = trap(
        "(call $log (i32.const 4) (i32.const 1024) (i32.const 5) (i32.const 1029) (i32.const 17))
         (unreachable)",
        r#"(data (i32.const 1024) "panicguest panicked: x")"#,
    );
    assert_eq!(runs::failure_type(&failure.failure), "WasmTrap");
    let message = &failure.failure.message;
    assert!(
        message.starts_with("guest panicked: x (wasm trap: "),
        "{message}"
    );
    assert!(
        failure.failure.stack_trace.contains("activate"),
        "{failure:?}"
    );
}

#[test]
fn a_refused_command_is_told_as_the_engine_says_it() {
    let component =
        guests::workflow("(call $cancel_scope (i32.const 9) (i32.const 0) (i32.const 0))");
    let failure = runs::run(&mut runs::instance(&runs::sandbox(), &component)).unwrap_err();
    assert_eq!(failure.cause, TaskFailedCause::BadScopeAttributes);
    assert!(
        failure.failure.stack_trace.contains("activate"),
        "{failure:?}"
    );
}

#[test]
fn too_many_random_bytes_trap() {
    let failure = trap(
        "(call $random_bytes (i32.const 65537) (i32.const 2048))",
        "",
    );
    assert_eq!(runs::failure_type(&failure.failure), "BadCall");
}

#[test]
fn a_failure_without_links_traps() {
    let failure = trap(
        "(i32.store8 (i32.const 8192) (i32.const 1)) (call $complete (i32.const 8192))",
        "",
    );
    assert_eq!(runs::failure_type(&failure.failure), "BadFailure");
}

#[test]
fn logging_is_bounded_per_task() {
    let flood = "(local $i i32) (loop $again
        (call $log (i32.const 2) (i32.const 1024) (i32.const 2) (i32.const 1024) (i32.const 2))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 20000))))";
    let component = guests::workflow(flood);
    let component = runs::sandbox().load_workflow(&component).unwrap();
    let (sink, lines) = runs::log();
    let mut instance = component.instantiate(sink);
    runs::run(&mut instance).unwrap();
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 10_001);
    assert_eq!(
        lines[10_000],
        (Level::Warn, "truncated: the guest logs too much".into())
    );
}

#[test]
fn an_event_after_the_guest_is_dead_leaves_the_task_whole() {
    let component = guests::workflow("(unreachable)");
    let mut instance = runs::instance(&runs::sandbox(), &component);
    runs::run(&mut instance).unwrap_err();
    let mut task = runs::first_task();
    let event: GuestEvent = task.next().unwrap().unwrap();
    let (task, result) = instance.deliver(event, task);
    result.unwrap_err();
    assert_eq!(task.start().workflow_type, "t");
}
