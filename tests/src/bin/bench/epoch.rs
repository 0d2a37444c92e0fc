//! What the checks for an overrun cost a guest that computes: four loops with them and without, in
//! turns, with the sandbox's other settings for small guests. In processor time of this thread.

use crate::guests::computed;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::Duration;
use wasmtime::{Config, Engine, Instance, Module, Store, TypedFunc};

/// Values of each figure, and pairs of measurements of which one of them is made: the shortest of
/// each kind, as the same instructions take longer only because of what else the machine does.
const ROUNDS: usize = 5;
const PAIRS: usize = 7;

/// The loops: the name of the figure, the function, and how often it goes round.
const LOOPS: [(&str, &str, i32); 4] = [
    ("epoch_overhead_percent", "integers", 10_000_000),
    ("epoch_overhead_percent_calls", "fibonacci", 31),
    ("epoch_overhead_percent_floats", "floats", 10_000_000),
    ("epoch_overhead_percent_memory", "sums", 10_000_000),
];

/// Integers with a load and a store; calls; floats of which each waits for the one before; three
/// accesses to memory each time.
const MODULE: &str = r#"(module
  (memory 1)
  (func (export "integers") (param $n i32) (result i64)
    (local $x i64) (local $place i32)
    (local.set $x (i64.const 88172645463325252))
    (loop $next
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
      (local.set $place (i32.and (i32.wrap_i64 (local.get $x)) (i32.const 65528)))
      (i64.store (local.get $place)
        (i64.add (i64.load (local.get $place)) (local.get $x)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))
  (func $fibonacci (param $n i32) (result i64)
    (if (result i64) (i32.lt_s (local.get $n) (i32.const 2))
      (then (i64.extend_i32_s (local.get $n)))
      (else (i64.add
        (call $fibonacci (i32.sub (local.get $n) (i32.const 1)))
        (call $fibonacci (i32.sub (local.get $n) (i32.const 2)))))))
  (export "fibonacci" (func $fibonacci))
  (func (export "floats") (param $n i32) (result i64)
    (local $x f64)
    (local.set $x (f64.const 0.5))
    (loop $next
      (local.set $x
        (f64.add (f64.mul (local.get $x) (f64.const 0.999999)) (f64.const 0.000001)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.reinterpret_f64 (local.get $x)))
  (func (export "sums") (param $n i32) (result i64)
    (local $place i32)
    (loop $next
      (local.set $place (i32.and (i32.shl (local.get $n) (i32.const 3)) (i32.const 16376)))
      (i64.store offset=32768 (local.get $place)
        (i64.add
          (i64.load (local.get $place))
          (i64.load offset=16384 (local.get $place))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.load offset=32768 (i32.const 0))))"#;

/// The module, compiled with the checks or without.
struct Compiled {
    store: Store<()>,
    instance: Instance,
}

impl Compiled {
    fn new(with_checks: bool) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .cranelift_nan_canonicalization(true)
            .memory_reservation(0)
            .memory_guard_size(0)
            .memory_reservation_for_growth(0)
            .epoch_interruption(with_checks);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, wat::parse_str(MODULE)?)?;
        let mut store = Store::new(&engine, ());
        if with_checks {
            store.set_epoch_deadline(1);
        }
        let instance = Instance::new(&mut store, &module, &[])?;
        Ok(Self { store, instance })
    }

    /// What a loop takes.
    fn time(&mut self, name: &str, rounds: i32) -> Result<Duration> {
        let function: wasmtime::Result<TypedFunc<i32, i64>> =
            self.instance.get_typed_func(&mut self.store, name);
        let function = function.map_err(failed)?;
        let begun = computed();
        function.call(&mut self.store, rounds).map_err(failed)?;
        Ok(computed() - begun)
    }
}

/// Wasmtime's errors are of a kind of their own.
fn failed(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into())
}

/// How much longer each loop takes with the checks, in percent.
pub(crate) fn overhead() -> Result<Value> {
    let mut with = Compiled::new(true).map_err(failed)?;
    let mut without = Compiled::new(false).map_err(failed)?;
    let mut figures = json!({});
    for (figure, name, rounds) in LOOPS {
        let mut percents = Vec::new();
        for _ in 0..ROUNDS {
            let (mut longer, mut shorter) = (Duration::MAX, Duration::MAX);
            for _ in 0..PAIRS {
                longer = longer.min(with.time(name, rounds)?);
                shorter = shorter.min(without.time(name, rounds)?);
            }
            let ratio = longer.as_secs_f64() / shorter.as_secs_f64();
            percents.push((ratio - 1.0) * 100.0);
        }
        figures[figure] = json!(percents);
    }
    Ok(figures)
}
