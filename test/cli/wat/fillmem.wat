;; Bulk instructions and descriptors: what takes long in one instruction.
(module
  (memory (export "memory") 4096)
  (func (export "_start")
    (loop
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 268435456))
      (memory.copy (i32.const 0) (i32.const 65536) (i32.const 268369920))
      br 0)))
