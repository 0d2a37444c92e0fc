;; Activities one after another, a small number in and out of each; returns the last.
(component
  (import "testing:bench/activity" (instance $activity
    (export "echo" (func (param "value" u32) (result (result u32))))))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (core func $echo (canon lower (func $activity "echo") (memory (core memory $memory "memory"))))
  (core module $code
    (import "memory" "memory" (memory 1))
    (import "activity" "echo" (func $echo (param i32 i32)))
    ;; Results lie in memory: 0 for success and 1 for an error, and 4 bytes behind it the value. That
    ;; of the workflow is at 0, those of its activities at 16.
    (func (export "sequence") (param $count i32) (result i32)
      (local $value i32)
      (loop $next
        (local.set $value (i32.add (local.get $value) (i32.const 1)))
        (call $echo (local.get $value) (i32.const 16))
        (if (i32.load8_u (i32.const 16))
          (then
            (i32.store8 (i32.const 0) (i32.const 1))
            (return (i32.const 0))))
        (br_if $next (i32.lt_u (local.get $value) (local.get $count))))
      (i32.store (i32.const 4) (i32.load (i32.const 20)))
      (i32.const 0)))
  (core instance $code (instantiate $code
    (with "memory" (instance $memory))
    (with "activity" (instance (export "echo" (func $echo))))))
  (func $sequence (param "count" u32) (result (result u32))
    (canon lift (core func $code "sequence") (memory (core memory $memory "memory"))))
  (instance $workflow (export "sequence" (func $sequence)))
  (export "testing:bench-workflow/workflow" (instance $workflow)))
