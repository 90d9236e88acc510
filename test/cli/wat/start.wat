;; A start function that never ends, before anything is exported could be called.
(module
  (memory (export "memory") 1)
  (start $loop)
  (func $loop (loop br 0))
  (func (export "_start")))
