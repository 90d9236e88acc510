;; Copies and fills of 0 to 69 bytes and of multiples of that, up to where they are left to the runtime, in all
;; ways of overlapping; what they leave is hashed. Values are those that wasmtime gives too.
(module (memory 1)
 (func $init (local i32) loop local.get 0 local.get 0 i32.const 167 i32.mul i32.const 13 i32.add i32.store8 local.get 0 i32.const 1 i32.add local.tee 0 i32.const 8192 i32.lt_u br_if 0 end)
 (func $hash (result i64) (local i32 i64) loop local.get 1 i64.const 1099511628211 i64.mul local.get 0 i64.load8_u i64.xor local.set 1 local.get 0 i32.const 1 i32.add local.tee 0 i32.const 8192 i32.lt_u br_if 0 end local.get 1)
 (func (export "t") (param i32) (result i64) (local $len i32) (local $d i32) (local $h i64) (local $a i64) (local $f f64)
  i64.const 77 local.set $a f64.const 1.5 local.set $f
  call $init
  loop $L
   i32.const -40 local.set $d
   loop $D
     i32.const 3000 local.get $d i32.add  i32.const 3000 local.get $len local.get 0 i32.mul memory.copy
     i32.const 100 local.get $len i32.add local.get $d  local.get $len local.get 0 i32.mul memory.fill
     local.get $h i64.const 31 i64.mul call $hash i64.add local.get $a i64.add local.get $f i64.trunc_f64_s i64.add local.set $h
     local.get $d i32.const 7 i32.add local.tee $d i32.const 41 i32.lt_s br_if $D
   end
   local.get $len i32.const 1 i32.add local.tee $len i32.const 70 i32.lt_u br_if $L
  end local.get $h)
 (func (export "o") (param i32 i32 i32) (result i32) local.get 0 local.get 1 local.get 2 memory.copy i32.const 1)
 (func (export "p") (param i32 i32 i32) (result i32) local.get 0 local.get 1 local.get 2 memory.fill i32.const 1)
)
(assert_return (invoke "t" (i32.const 1)) (i64.const -7906165107168985390))
(assert_return (invoke "t" (i32.const 3)) (i64.const -1701603951204898346))
(assert_return (invoke "t" (i32.const 15)) (i64.const 2983460464468912797))
(assert_return (invoke "o" (i32.const 65530) (i32.const 0) (i32.const 6)) (i32.const 1))
(assert_trap (invoke "o" (i32.const 65530) (i32.const 0) (i32.const 7)) "out of bounds memory access")
(assert_trap (invoke "o" (i32.const 0) (i32.const 65530) (i32.const 7)) "out of bounds memory access")
(assert_trap (invoke "o" (i32.const 0) (i32.const 0) (i32.const 65537)) "out of bounds memory access")
(assert_trap (invoke "o" (i32.const -1) (i32.const 0) (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "o" (i32.const 65536) (i32.const 0) (i32.const 0)) (i32.const 1))
(assert_trap (invoke "o" (i32.const 65537) (i32.const 0) (i32.const 0)) "out of bounds memory access")
(assert_trap (invoke "o" (i32.const 0) (i32.const -1) (i32.const 1)) "out of bounds memory access")
(assert_trap (invoke "o" (i32.const 0) (i32.const 0) (i32.const -1)) "out of bounds memory access")
(assert_return (invoke "p" (i32.const 65530) (i32.const 0) (i32.const 6)) (i32.const 1))
(assert_trap (invoke "p" (i32.const 65530) (i32.const 0) (i32.const 7)) "out of bounds memory access")
(assert_return (invoke "p" (i32.const 0) (i32.const 65530) (i32.const 7)) (i32.const 1))
(assert_trap (invoke "p" (i32.const 0) (i32.const 0) (i32.const 65537)) "out of bounds memory access")
(assert_trap (invoke "p" (i32.const -1) (i32.const 0) (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "p" (i32.const 65536) (i32.const 0) (i32.const 0)) (i32.const 1))
(assert_trap (invoke "p" (i32.const 65537) (i32.const 0) (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "p" (i32.const 0) (i32.const -1) (i32.const 1)) (i32.const 1))
(assert_trap (invoke "p" (i32.const 0) (i32.const 0) (i32.const -1)) "out of bounds memory access")
