;; Accesses that only some modules make: an index spelt at length, a memory of 64 bits beside one of 32,
;; and all of it beside plain modules in one store.
(module $plain
  (memory (export "m") 1)
  (func (export "get") (param i32) (result i32) (i32.load8_u offset=3 (local.get 0)))
  (func (export "sum") (param i32) (result i32)
    (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (i32.load (local.get 0))))
      (local.set 0 (i32.sub (local.get 0) (i32.const 4)))
      (br_if $l (local.get 0)))
    (local.get 1)))
(register "plain")

(module
  (import "plain" "get" (func $get (param i32) (result i32)))
  (import "plain" "m" (memory $m 1))
  (memory $big i64 1 8)
  (memory $small 1)
  (data (memory $small) (i32.const 65530) "\01\02\03\04\05\06")
  (func (export "store") (param i32 i32) (i32.store8 $m offset=2 (local.get 0) (local.get 1)))
  (func (export "get") (param i32) (result i32) (call $get (local.get 0)))
  (func (export "big") (param i64 i64) (i64.store $big offset=8 (local.get 0) (local.get 1)))
  (func (export "big16") (param i64) (result i32) (i32.load16_s $big (local.get 0)))
  (func (export "far") (param i64) (result i64) (i64.load $big offset=0xfffffffffffffff8 (local.get 0)))
  (func (export "small") (param i32) (result i32) (i32.load16_u $small offset=65530 (local.get 0)))
  (func (export "grow") (param i64) (result i64) (memory.grow $big (local.get 0)))
  (func (export "size") (result i64) (memory.size $big))
  (func (export "copy") (param i32) (memory.copy $big $small (i64.const 0) (local.get 0) (i32.const 4)))
  (func (export "fill") (param i64 i64) (memory.fill $big (local.get 0) (i32.const 7) (local.get 1)))
  (func (export "vector") (param i64) (result i32)
    (i32x4.extract_lane 1 (v128.load32_lane $big offset=4 1 (local.get 0) (v128.const i32x4 0 0 0 0))))
  ;; after a call into the other module, and within loops, accesses are still this module's own
  (func (export "loop") (param $n i32) (result i32)
    (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (i32.load8_u $small offset=65530 (i32.const 1))))
      (local.set $sum (i32.add (local.get $sum) (call $get (i32.const 0))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))

(invoke "store" (i32.const 1) (i32.const 9))
(assert_return (invoke "get" (i32.const 0)) (i32.const 9))
(assert_return (invoke "small" (i32.const 4)) (i32.const 0x0605))
(assert_trap (invoke "small" (i32.const 5)) "out of bounds memory access")
(assert_trap (invoke "small" (i32.const -1)) "out of bounds memory access")
(invoke "big" (i64.const 0) (i64.const 0x8001))
(assert_return (invoke "big16" (i64.const 8)) (i32.const -32767))
(assert_trap (invoke "big16" (i64.const 0x100000000)) "out of bounds memory access")
(assert_trap (invoke "big16" (i64.const -1)) "out of bounds memory access")
(assert_trap (invoke "far" (i64.const 0)) "out of bounds memory access")
(assert_trap (invoke "far" (i64.const 16)) "out of bounds memory access")
(assert_trap (invoke "big" (i64.const -8) (i64.const 1)) "out of bounds memory access")
(assert_return (invoke "grow" (i64.const 7)) (i64.const 1))
(assert_return (invoke "grow" (i64.const 1)) (i64.const -1))
(assert_return (invoke "grow" (i64.const 0x1000000000000)) (i64.const -1))
(assert_return (invoke "size") (i64.const 8))
(invoke "copy" (i32.const 65530))
(assert_return (invoke "big16" (i64.const 2)) (i32.const 0x0403))
(assert_trap (invoke "copy" (i32.const 65533)) "out of bounds memory access")
(invoke "fill" (i64.const 524280) (i64.const 8))
(assert_return (invoke "big16" (i64.const 524286)) (i32.const 0x0707))
(assert_trap (invoke "fill" (i64.const 524280) (i64.const 9)) "out of bounds memory access")
(assert_trap (invoke "fill" (i64.const -1) (i64.const 2)) "out of bounds memory access")
(assert_return (invoke "vector" (i64.const 524280)) (i32.const 0x07070707))
(assert_trap (invoke "vector" (i64.const 524281)) "out of bounds memory access")
(assert_return (invoke "loop" (i32.const 1000)) (i32.const 11000))

;; One memory, its index 0 spelt with a flag and two bytes: allowed, and the same access.
(module binary
  "\00asm" "\01\00\00\00"
  "\01\0b\02" "\60\02\7f\7f\00" "\60\01\7f\01\7f"   ;; (i32, i32) -> (), (i32) -> i32
  "\03\04\03\00\01\01"
  "\05\03\01\00\01"
  "\07\0d\03" "\01s\00\00" "\01l\00\01" "\01z\00\02"
  "\0a\2c\03"
  "\0b\00" "\20\00\20\01\36\42\80\00\04\0b"     ;; i32.store align=4 (memory 0) offset=4
  "\12\00" "\20\00\28\02\04\20\00\28\42\80\00\04\6a\41\00\6a\0b"
  "\0b\00" "\3f\00\20\00\6a\20\00\6b\0f\0b")
(invoke "s" (i32.const 10) (i32.const 21))
(assert_return (invoke "l" (i32.const 10)) (i32.const 42))
(assert_return (invoke "z" (i32.const 10)) (i32.const 1))
(assert_trap (invoke "l" (i32.const 65529)) "out of bounds memory access")
(assert_trap (invoke "s" (i32.const -4) (i32.const 1)) "out of bounds memory access")
