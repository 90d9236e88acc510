(module
  (import "gojs" "runtime.ticks" (func (param i32)))
  (func (export "run") (param i32 i32)))
