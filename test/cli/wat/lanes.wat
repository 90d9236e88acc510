;; What the compiler leaves to the interpreter, beside what it does not.
(module
  (memory 1)
  (func (export "lanes") (result i32)
    (i32x4.extract_lane 2
      (i8x16.shuffle 0 1 2 3 4 5 6 7 24 25 26 27 28 29 30 31
        (v128.load64_lane offset=8 align=1 1 (i32.const 16) (v128.const i64x2 1 -1))
        (i32x4.splat (i32.const 7)))))
  (func $plain (export "plain") (param $n i64) (result f32)
    (if (result f32) (i64.eqz (local.get $n))
      (then (f32.const -0.5))
      (else (select (result f32) (f32.const nan) (f32.load (i32.const 4)) (i32.const 1))))))
