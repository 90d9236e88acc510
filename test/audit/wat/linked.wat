;; Functions of a host that are linked and never called; one name is nearly one of WASI's.
(module
  (import "env" "charge" (func (param i64) (result i32)))
  (import "env" "value" (func (result f64)))
  (import "wasi_snapshot_preview1" "fd_wirte" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
