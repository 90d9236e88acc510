(module
  (func $inner (export "inner") unreachable)
  (func $middle call $inner)
  (func (export "_start") call $middle))
