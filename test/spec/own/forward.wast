;; What was loaded or stored before is loaded again, with something in between that may have changed it, and from
;; places that are the same, overlap, or only look the same. RULE: S12.
(module
 (memory 1 2)
 (global $sp (mut i32) (i32.const 0))
 (global $g (mut i64) (i64.const 0))
 (func $void)
 (func $poke (param i32 i64) local.get 0 local.get 1 i64.store)
 ;; a store through another pointer to the same place
 (func (export "alias") (param $p i32) (param $q i32) (param $v i64) (result i64)
  local.get $p i64.const 5 i64.store offset=8
  local.get $p i64.load offset=8
  local.get $q local.get $v i64.store
  local.get $p i64.load offset=8 i64.add)
 ;; overlapping stores of the same base, narrower and wider
 (func (export "overlap") (param $p i32) (param $v i64) (result i64)
  local.get $p local.get $v i64.store offset=16
  local.get $p i64.load offset=16
  local.get $p i32.const -1 i32.store8 offset=17
  local.get $p i64.load offset=16 i64.xor
  local.get $p local.get $v i64.store offset=12
  local.get $p i64.load offset=16 i64.add
  local.get $p i32.const 7 i32.store16 offset=23
  local.get $p i64.load offset=16 i64.add
  local.get $p i64.load offset=24 i64.add
  local.get $p i32.const 9 i32.store offset=32
  local.get $p i64.load offset=24 i64.add)
 ;; the same offset of another base
 (func (export "moved") (param $p i32) (result i64)
  local.get $p i64.const 1 i64.store
  local.get $p i64.load
  local.get $p i32.const 8 i32.add local.set $p
  local.get $p i64.load i64.const 100 i64.mul i64.add
  local.get $p i32.const 8 i32.sub local.set $p
  local.get $p i64.load i64.const 10000 i64.mul i64.add)
 ;; the base is loaded from where it points to
 (func (export "chase") (param $p i32) (result i32)
  local.get $p i32.load local.set $p
  local.get $p i32.load local.tee $p
  local.get $p i32.load i32.add)
 ;; widths and signs of one place
 (func (export "widths") (param $p i32) (param $v i64) (result i64) (local $x i64)
  local.get $p local.get $v i64.store
  local.get $p i64.load local.set $x
  local.get $p i64.load32_s local.get $x i64.add
  local.get $p i64.load32_u i64.const 3 i64.mul i64.add
  local.get $p i64.load8_s i64.const 5 i64.mul i64.add
  local.get $p i64.load8_u i64.const 7 i64.mul i64.add
  local.get $p i64.load16_s i64.const 11 i64.mul i64.add
  local.get $p i32.load8_s i64.extend_i32_u i64.const 13 i64.mul i64.add
  local.get $p i32.load i64.extend_i32_u i64.const 17 i64.mul i64.add
  local.get $p i64.load8_s i64.const 19 i64.mul i64.add)
 ;; only the stored half is known of what was wrapped
 (func (export "half") (param $p i32) (param $v i64) (result i64)
  local.get $p local.get $v i32.wrap_i64 i32.store
  local.get $p i32.load i64.extend_i32_u
  local.get $p local.get $v i64.const 3 i64.mul i32.wrap_i64 i32.store
  local.get $p i32.load i64.extend_i32_u i64.add)
 ;; the register that holds it is used for something else
 (func (export "reuse") (param $p i32) (result i64) (local $x i64)
  local.get $p i64.const 41 i64.store
  local.get $p i64.load i64.const 1 i64.add local.set $x
  local.get $p i64.load local.get $x i64.mul
  local.get $p i64.load local.get $p i64.load i64.shl i64.add
  local.get $p i64.load i64.const 3 i64.div_u i64.add
  local.get $p i64.load i64.const 3 i64.rem_u i64.add
  local.get $x i64.const 9 i64.add local.set $x
  local.get $p i64.load local.get $x i64.sub i64.add)
 ;; a local that holds it is changed
 (func (export "local") (param $p i32) (result i64) (local $x i64)
  local.get $p i64.load offset=40 local.set $x
  local.get $p i64.load offset=40
  local.get $x i64.const 7 i64.add local.set $x
  local.get $p i64.load offset=40 i64.const 100 i64.mul i64.add
  local.get $x i64.const 10000 i64.mul i64.add)
 ;; calls, copies, fills between
 (func (export "calls") (param $p i32) (result i64)
  local.get $p i64.const 1 i64.store
  local.get $p i64.load
  local.get $p i64.const 2 call $poke
  local.get $p i64.load i64.const 10 i64.mul i64.add
  local.get $p i32.const 0x30 i32.const 3 memory.fill
  local.get $p i64.load i64.add
  local.get $p local.get $p i32.const 8 i32.add i32.const 8 memory.copy
  local.get $p i64.load i64.add
  call $void
  local.get $p i64.load i64.add)
 ;; wrap(extend(SP) + k) is SP + k only where that does not wrap
 (func (export "sum") (param $sp i32) (param $v i64) (result i64)
  local.get $sp global.set $sp
  global.get $sp i64.extend_i32_u i64.const 8 i64.add i32.wrap_i64 local.get $v i64.store
  global.get $sp i64.extend_i32_u i64.const 8 i64.add i32.wrap_i64 i64.load)
 (func (export "proven") (param $sp i32) (param $v i64) (result i64)
  local.get $sp global.set $sp
  global.get $sp local.get $v i64.store offset=16
  global.get $sp i64.extend_i32_u i64.const 8 i64.add i32.wrap_i64 local.get $v i64.const 1 i64.add i64.store
  global.get $sp i64.load offset=8
  global.get $sp i64.extend_i32_u i64.const 16 i64.add i32.wrap_i64 i64.load i64.add
  global.get $sp i32.const 8 i32.sub global.set $sp
  global.get $sp i64.load offset=16 i64.const 3 i64.mul i64.add
  global.get $sp i64.extend_i32_u i64.const 24 i64.add i32.wrap_i64 i64.load i64.add)
 ;; the other pinned global as an address: its low half
 (func (export "wide") (param $v i64) (result i64)
  local.get $v global.set $g
  global.get $g i32.wrap_i64 i64.const 77 i64.store offset=8
  global.get $g i32.wrap_i64 i64.load offset=8
  global.get $g i64.const 0x100000000 i64.add global.set $g
  global.get $g i32.wrap_i64 i64.load offset=8 i64.add
  global.get $g i64.const 8 i64.add global.set $g
  global.get $g i32.wrap_i64 i64.load i64.add)
 ;; low halves of a local that changes
 (func (export "halves") (param $v i64) (result i64)
  local.get $v i32.wrap_i64 i64.const 5 i64.store
  local.get $v i32.wrap_i64 i64.const 6 i64.store offset=8
  local.get $v i64.const 8 i64.add local.set $v
  local.get $v i32.wrap_i64 i64.load
  local.get $v i64.const 0x700000000 i64.or local.set $v
  local.get $v i32.wrap_i64 i64.load i64.const 10 i64.mul i64.add)
 ;; what a branch came to; what one did not
 (func (export "join") (param $p i32) (param $c i32) (result i64) (local $x i64)
  local.get $p i64.const 1 i64.store
  local.get $p i64.load
  local.get $c if local.get $p i64.const 2 i64.store end
  local.get $p i64.load i64.const 10 i64.mul i64.add
  block local.get $c br_if 0 local.get $p i64.load i64.const 100 i64.mul local.set $x end
  local.get $p i64.load i64.const 1000 i64.mul i64.add local.get $x i64.add)
 (func (export "loop") (param $p i32) (param $n i32) (result i64) (local $s i64)
  local.get $p i64.const 0 i64.store
  local.get $p i64.load local.set $s
  loop $L
   local.get $s i64.const 3 i64.mul local.get $p i64.load i64.add local.set $s
   local.get $p local.get $p i64.load i64.const 1 i64.add i64.store
   local.get $p i64.load local.get $s i64.add local.set $s
   local.get $n i32.const 1 i32.sub local.tee $n br_if $L
  end local.get $s)
 ;; a load that stands for another traps where it stood
 (func (export "edge") (param $p i32) (result i64)
  local.get $p i64.load offset=8
  i32.const 1 memory.grow drop
  local.get $p i64.load offset=16 i64.add)
)
(assert_return (invoke "alias" (i32.const 256) (i32.const 264) (i64.const 9)) (i64.const 14))
(assert_return (invoke "alias" (i32.const 256) (i32.const 257) (i64.const -1)) (i64.const 260))
(assert_return (invoke "alias" (i32.const 256) (i32.const 512) (i64.const 9)) (i64.const 10))
(assert_return (invoke "overlap" (i32.const 768) (i64.const 1234605616436508552)) (i64.const 1748635290203123336))
(assert_return (invoke "moved" (i32.const 1024)) (i64.const 10001))
(assert_return (invoke "widths" (i32.const 1280) (i64.const -81985529216486895)) (i64.const -81985487526529251))
(assert_return (invoke "widths" (i32.const 1280) (i64.const 2147483903)) (i64.const 98784257971))
(assert_return (invoke "half" (i32.const 1536) (i64.const 9223372036854775807)) (i64.const 8589934588))
(assert_return (invoke "half" (i32.const 1536) (i64.const -2)) (i64.const 8589934584))
(assert_return (invoke "reuse" (i32.const 1792)) (i64.const 90159953479359))
(assert_return (invoke "local" (i32.const 1752)) (i64.const 484141))
(assert_return (invoke "calls" (i32.const 2048)) (i64.const 3158085))
(assert_return (invoke "sum" (i32.const 2304) (i64.const 3)) (i64.const 3))
(assert_return (invoke "sum" (i32.const -8) (i64.const 4)) (i64.const 4))
(assert_return (invoke "sum" (i32.const -1) (i64.const 5)) (i64.const 5))
(assert_return (invoke "sum" (i32.const 65520) (i64.const 6)) (i64.const 6))
(assert_trap (invoke "sum" (i32.const 65524) (i64.const 6)) "out of bounds memory access")
(assert_trap (invoke "sum" (i32.const -9) (i64.const 6)) "out of bounds memory access")
(assert_return (invoke "proven" (i32.const 2560) (i64.const 11)) (i64.const 70))
(assert_trap (invoke "proven" (i32.const 0) (i64.const 11)) "out of bounds memory access")
(assert_trap (invoke "proven" (i32.const -8) (i64.const 11)) "out of bounds memory access")
(assert_return (invoke "proven" (i32.const 65512) (i64.const 11)) (i64.const 70))
(assert_trap (invoke "proven" (i32.const 65513) (i64.const 11)) "out of bounds memory access")
(assert_return (invoke "wide" (i64.const 2816)) (i64.const 231))
(assert_return (invoke "wide" (i64.const 365072222976)) (i64.const 231))
(assert_trap (invoke "wide" (i64.const -8)) "out of bounds memory access")
(assert_return (invoke "halves" (i64.const 3072)) (i64.const 66))
(assert_return (invoke "halves" (i64.const -4294964224)) (i64.const 66))
(assert_trap (invoke "halves" (i64.const 30064771064)) "out of bounds memory access")
(assert_return (invoke "join" (i32.const 3328) (i32.const 0)) (i64.const 1111))
(assert_return (invoke "join" (i32.const 3328) (i32.const 1)) (i64.const 2021))
(assert_return (invoke "loop" (i32.const 3584) (i32.const 9)) (i64.const 19673))
(assert_return (invoke "chase" (i32.const 4096)) (i32.const 83886084))
(assert_return (invoke "edge" (i32.const 65512)) (i64.const 23))
(assert_trap (invoke "edge" (i32.const 131060)) "out of bounds memory access")
(assert_return (invoke "edge" (i32.const 65520)) (i64.const 11))
(assert_trap (invoke "edge" (i32.const 131056)) "out of bounds memory access")
