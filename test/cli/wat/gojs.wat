(module
  (import "gojs" "runtime.ticks" (func (param i32)))
  (func (export "_start")))
