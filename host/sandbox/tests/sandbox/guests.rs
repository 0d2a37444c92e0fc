//! Guests written in WebAssembly text. Each test gives the body of `activate` or `run`; the rest of
//! the module, the same for all, is here.

use sandglass_sandbox::to_component;
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// Memory and an allocator that never frees. Strings that guests name begin at 1024.
const COMMON: &str = r#"
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 65536))
  (func $alloc (param $size i32) (param $align i32) (result i32) (local $at i32)
    (local.set $at (i32.and
      (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $alloc (local.get 3) (local.get 2)))
  (data (i32.const 16) "\20\00\00\00\01\00\00\00")
  (data (i32.const 32) "t")
  (func $definitions (result i32)
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 1))
    (i32.const 0))
"#;

/// All imports of world `workflow` that the tests use.
const IMPORTS: &str = r#"
  (import "sandglass:workflow/timers@0.1.0" "start-timer"
    (func $start_timer (param i32 i64 i32)))
  (import "sandglass:workflow/cancellation@0.1.0" "open-scope"
    (func $open_scope (param i32 i32 i64) (result i32)))
  (import "sandglass:workflow/cancellation@0.1.0" "cancel-scope"
    (func $cancel_scope (param i32 i32 i32)))
  (import "sandglass:workflow/info@0.1.0" "now" (func $now (result i64)))
  (import "sandglass:workflow/info@0.1.0" "random-bytes"
    (func $random_bytes (param i32 i32)))
  (import "sandglass:workflow/log@0.1.0" "write"
    (func $log (param i32 i32 i32 i32 i32)))
  (import "sandglass:workflow/execution@0.1.0" "complete"
    (func $complete (param i32)))
"#;

/// A core module of a workflow guest: `activate` has the event's case in `$event`, and whatever
/// else the module needs (functions, tables, data) is in `more`.
pub(crate) fn workflow_module(activate: &str, more: &str) -> Vec<u8> {
    asked_module(activate, "unreachable", more)
}

/// The same with `asked` as the body of both `query` and `validate-update`.
fn asked_module(activate: &str, asked: &str, more: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {IMPORTS} {COMMON}
        {more}
        (export "sandglass:workflow/guest@0.1.0#definitions" (func $definitions))
        (func $activate (export "sandglass:workflow/guest@0.1.0#activate")
          (param $event i32) (param i64 i32 i32 i32 i32 i64 i64 i64 i64 i32)
          {activate})
        (func $query (export "sandglass:workflow/guest@0.1.0#query")
          (param i32 i32 i32 i32 i32 i32) (result i32)
          {asked})
        (func $validate (export "sandglass:workflow/guest@0.1.0#validate-update")
          (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          {asked}))"#
    );
    with_world(&text, "workflow")
}

/// A workflow component with one workflow type, `t`.
pub(crate) fn workflow_with(activate: &str, more: &str) -> Vec<u8> {
    to_component(&workflow_module(activate, more)).unwrap()
}

/// A workflow component that does nothing but this when it is asked or has to agree to an update.
pub(crate) fn asked(asked: &str, more: &str) -> Vec<u8> {
    to_component(&asked_module("", asked, more)).unwrap()
}

/// A workflow component without anything but `activate`.
pub(crate) fn workflow(activate: &str) -> Vec<u8> {
    workflow_with(activate, "")
}

/// An activity component with one activity type, `t`. `run` gives an address of its result.
pub(crate) fn activity(imports: &str, run: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "sandglass:workflow/activity-context@0.1.0" "heartbeat"
          (func $heartbeat (param i32 i32 i32)))
        {imports} {COMMON}
        (export "sandglass:workflow/activity-handler@0.1.0#definitions" (func $definitions))
        (func $run (export "sandglass:workflow/activity-handler@0.1.0#run")
          (param $task i32) (result i32)
          {run}))"#
    );
    to_component(&with_world(&text, "activity")).unwrap()
}

fn with_world(text: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let encoding = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    module
}
