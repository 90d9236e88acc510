;; A recursion without end, and one host call before it.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $deeper (param i32) (result i32)
    (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
  (func (export "_start")
    (drop (call $random (i32.const 0) (i32.const 16)))
    (drop (call $deeper (i32.const 1)))))
