;; A global of a vector type, which is never touched.
(module
  (global v128 (v128.const i32x4 1 2 3 4))
  (memory (export "memory") 1)
  (func (export "_start")))
