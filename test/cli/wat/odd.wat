;; A _start that takes a parameter is none.
(module (func (export "_start") (param i32)))
