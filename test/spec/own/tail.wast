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
