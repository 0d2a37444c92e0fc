;; Returns its argument.
(component
  (core module $code
    (memory (export "memory") 1)
    ;; A result lies in memory: 0 for success, and at 4 the value.
    (func (export "echo") (param $value i32) (result i32)
      (i32.store (i32.const 4) (local.get $value))
      (i32.const 0)))
  (core instance $code (instantiate $code))
  (func $echo (param "value" u32) (result (result u32))
    (canon lift (core func $code "echo") (memory (core memory $code "memory"))))
  (instance $activity (export "echo" (func $echo)))
  (export "testing:bench/activity" (instance $activity)))
