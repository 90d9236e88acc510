;; Nothing that is compiled.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (v128.store (i32.const 0) (i8x16.splat (i32.const 7)))))
