//! What a replay depends on: numbers, random bytes, time, logs.

use crate::{guests, runs};
use sandglass_engine::replay;
use sandglass_sandbox::Level;

/// Runs a guest and gives the length of the timer that it starts.
fn told(activate: &str, more: &str) -> u64 {
    let component = guests::workflow_with(activate, more);
    let mut instance = runs::instance(&runs::sandbox(), &component);
    let (_, events) = runs::run(&mut instance).unwrap();
    runs::timer(&events)
}

#[test]
fn nan_has_one_form() {
    // Without canonicalization an x86 machine gives 0xffc00000.
    let bits = told(
        "(call $start_timer (i32.const 0)
           (i64.extend_i32_u (i32.reinterpret_f32 (f32.div (local.get $zero) (local.get $zero))))
           (i32.const 2048))"
            .replacen("(call", "(local $zero f32) (call", 1)
            .as_str(),
        "",
    );
    assert_eq!(bits, 0x7fc0_0000);
}

#[test]
fn random_bytes_are_the_generators() {
    // The first 16 bytes of ChaCha8 under the key [7; 32], from another implementation.
    let first = u64::from_le_bytes([0xe4, 0xd0, 0xcb, 0x59, 0x3f, 0xbc, 0, 0]);
    let second = u64::from_le_bytes([0xe6, 0x43, 0x81, 0xda, 0x8b, 0x37, 0, 0]);
    let tell = |offset: u32| {
        format!(
            "(call $random_bytes (i32.const {offset}) (i32.const 2048))
             (call $random_bytes (i32.const 8) (i32.const 2048))
             (call $start_timer (i32.const 0)
               (i64.and (i64.load (i32.load (i32.const 2048))) (i64.const 0xffffffffffff))
               (i32.const 2048))"
        )
    };
    assert_eq!(told(&tell(0), ""), first);
    assert_eq!(told(&tell(8), ""), second);
}

#[test]
fn time_is_the_tasks() {
    let now = told(
        "(call $start_timer (i32.const 0) (call $now) (i32.const 2048))",
        "",
    );
    assert_eq!(now, runs::NOW.0);
}

#[test]
fn a_replay_gives_the_same_and_logs_nothing() {
    let component = guests::workflow_with(
        "(call $log (i32.const 2) (i32.const 1024) (i32.const 2) (i32.const 1024) (i32.const 2))
         (call $random_bytes (i32.const 8) (i32.const 2048))
         (call $start_timer (i32.const 0)
           (i64.and (i64.load (i32.load (i32.const 2048))) (i64.const 0xffffffff))
           (i32.const 2048))",
        r#"(data (i32.const 1024) "hi")"#,
    );
    let component = runs::sandbox().load_workflow(&component).unwrap();
    let (sink, lines) = runs::log();
    let (frame, _) = runs::run(&mut component.instantiate(sink.clone())).unwrap();
    assert_eq!(*lines.lock().unwrap(), [(Level::Info, "hi".to_owned())]);

    let mut again = component.instantiate(sink);
    let next_event_id = frame.next_event_id;
    let replayed = replay([frame], Some(&mut again)).unwrap();
    assert_eq!(replayed.next_event_id(), next_event_id);
    assert_eq!(lines.lock().unwrap().len(), 1);
}

#[test]
fn another_guest_is_caught_in_replay() {
    let timer = |length: u32| {
        let call =
            format!("(call $start_timer (i32.const 0) (i64.const {length}) (i32.const 2048))");
        runs::instance(&runs::sandbox(), &guests::workflow(&call))
    };
    let (frame, _) = runs::run(&mut timer(1000)).unwrap();
    let error = replay([frame], Some(&mut timer(2000))).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("recorded:") && text.contains("attempted:"),
        "{text}"
    );
}

#[test]
fn scopes_are_numbered_by_the_host() {
    let open = "(call $start_timer (i32.const 0)
        (i64.extend_i32_u (i32.add
          (call $open_scope (i32.const 0) (i32.const 1) (i64.const 0))
          (call $open_scope (i32.const 0) (i32.const 2) (i64.const 0))))
        (i32.const 2048))";
    assert_eq!(told(open, ""), 1 + 2);
}

#[test]
fn a_canceled_scope_answers_with_a_failure() {
    // The answer's first byte is 1 for an error. The scope's cancellation comes as a second event.
    let canceled = told(
        "(local $scope i32)
         (if (local.get $event) (then (return)))
         (local.set $scope (call $open_scope (i32.const 0) (i32.const 0) (i64.const 0)))
         (call $cancel_scope (local.get $scope) (i32.const 1024) (i32.const 3))
         (call $start_timer (local.get $scope) (i64.const 5) (i32.const 2048))
         (call $start_timer (i32.const 0)
           (i64.load8_u (i32.const 2048)) (i32.const 4096))",
        r#"(data (i32.const 1024) "why")"#,
    );
    assert_eq!(canceled, 1);
}

#[test]
fn memory_that_grows_keeps_its_contents_and_is_zero_beyond() {
    // Further than the room behind a memory, so that it is moved, and back to where it was filled.
    let told = told(
        "(i64.store (i32.const 200000) (i64.const 77))
         (drop (memory.grow (i32.const 40)))
         (drop (memory.grow (i32.const 400)))
         (call $start_timer (i32.const 0)
           (i64.add
             (i64.load (i32.const 200000))
             (i64.or (i64.load (i32.const 2000000)) (i64.load (i32.const 29000000))))
           (i32.const 2048))",
        "",
    );
    assert_eq!(told, 77);
}

#[test]
fn an_access_beyond_the_memory_traps_although_room_is_mapped() {
    let component = guests::workflow("(drop (i32.load (i32.const 262144)))");
    let failure = runs::run(&mut runs::instance(&runs::sandbox(), &component)).unwrap_err();
    let message = &failure.failure.message;
    assert!(message.contains("out of bounds memory access"), "{message}");
}
