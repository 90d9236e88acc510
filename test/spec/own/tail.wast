;; Tail calls between functions of different types, direct and through a table, millions deep; and a function of one
;; integer, which is called with a literal 0.
(module (type $t (func (param i64 i64 i32) (result i64 i32)))
 (table 2 funcref) (elem (i32.const 0) $a $b)
 (func $a (export "a") (param i64 i64 i32) (result i64 i32) local.get 0 i64.eqz if (result i64 i32) local.get 1 local.get 2 else local.get 0 i64.const 1 i64.sub local.get 1 local.get 0 i64.add local.get 2 i32.const 3 i32.add i32.const 1 return_call_indirect (type $t) end)
 (func $b (param i64 i64 i32) (result i64 i32) local.get 0 i64.eqz if (result i64 i32) local.get 1 local.get 2 else local.get 0 i64.const 1 i64.sub local.get 1 local.get 2 return_call $a end)
 (func (export "one") (param i32) (result i32) local.get 0 i32.const 50 i32.gt_u if i32.const 7 return end local.get 0 i32.const 1 i32.add return_call 2)
 (func (export "m") (param i64) (result i64) i64.const 3 local.get 0 i64.const 0 i32.const 0 call $a i64.extend_i32_u i64.mul i64.add)
)
(assert_return (invoke "a" (i64.const 2000000) (i64.const 0) (i32.const 0)) (i64.const 1000001000000) (i32.const 3000000))
(assert_return (invoke "one" (i32.const 0)) (i32.const 7))
(assert_return (invoke "m" (i64.const 1000001)) (i64.const 375002250004500006))

;; A tail call with more arguments than the caller was called with: they go where the caller's own caller has room
;; for them, and nothing of its own.
(module
  (type $many (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
  (table 1 funcref)
  (elem (i32.const 0) $many)
  (func $many (type $many) (i64.add (local.get 0) (i64.mul (local.get 11) (i64.const 100))))
  (func $few (result i64) (return_call $many (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (i64.const 12)))
  (func $few-indirect (result i64) (return_call_indirect (type $many) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (i64.const 12) (i32.const 0)))
  (func (export "frameless") (result i64) (call $few))
  (func (export "frameless-indirect") (result i64) (call $few-indirect))
  (func (export "kept") (param i64 i64) (result i64)
    (local i64 i64)
    (local.set 2 (i64.mul (local.get 0) (local.get 1)))
    (local.set 3 (i64.sub (local.get 0) (local.get 1)))
    (i64.add (i64.mul (local.get 0) (i64.const 3)) (i64.mul (call $few) (i64.add (call $few-indirect) (local.get 2))))
    (i64.add (i64.add (local.get 1) (local.get 3)))))
(assert_return (invoke "frameless") (i64.const 1201))
(assert_return (invoke "frameless-indirect") (i64.const 1201))
(assert_return (invoke "kept" (i64.const 7) (i64.const 5)) (i64.const 1484464))
