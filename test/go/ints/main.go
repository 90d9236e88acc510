// ints prints what every operation on integers gives over a table of edge values of every width.
package main

import (
	"bufio"
	"fmt"
	"math/bits"
	"os"
)

var out = bufio.NewWriter(os.Stdout)

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func try[T integer](f func(a, b T) T, a, b T) (s string) {
	defer func() {
		if e := recover(); e != nil {
			s = fmt.Sprint(e)
		}
	}()
	return fmt.Sprint(f(a, b))
}

func binary[T integer](name string, edges []T) {
	ops := []func(a, b T) T{
		func(a, b T) T { return a + b },
		func(a, b T) T { return a - b },
		func(a, b T) T { return a * b },
		func(a, b T) T { return a / b },
		func(a, b T) T { return a % b },
		func(a, b T) T { return a & b },
		func(a, b T) T { return a | b },
		func(a, b T) T { return a ^ b },
		func(a, b T) T { return a &^ b },
		func(a, b T) T { return a << b },
		func(a, b T) T { return a >> b },
		func(a, b T) T { return a << (b & 7) },
		func(a, b T) T { return a >> (b & 7) },
	}
	for _, a := range edges {
		for _, b := range edges {
			fmt.Fprint(out, name, " ", a, " ", b, ":")
			for _, op := range ops {
				fmt.Fprint(out, " ", try(op, a, b))
			}
			fmt.Fprintln(out, "", a < b, a <= b, a == b, a > b, a >= b, min(a, b), max(a, b))
		}
		fmt.Fprintln(out, name, a, -a, ^a, int8(a), int16(a), int32(a), int64(a), uint8(a), uint16(a), uint32(a), uint64(a))
		fmt.Fprintln(out, a/3, a/7, a/10, a/16, a%3, a%7, a%10, a%16, a*3, a*100)
	}
}

func counts() {
	for _, v := range []uint64{0, 1, 2, 3, 0x80, 0xff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		0x123456789abcdef0, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa} {
		fmt.Fprintln(out, bits.LeadingZeros64(v), bits.LeadingZeros32(uint32(v)), bits.LeadingZeros16(uint16(v)), bits.LeadingZeros8(uint8(v)),
			bits.TrailingZeros64(v), bits.TrailingZeros32(uint32(v)), bits.TrailingZeros16(uint16(v)), bits.TrailingZeros8(uint8(v)),
			bits.OnesCount64(v), bits.OnesCount32(uint32(v)), bits.Len64(v), bits.Len32(uint32(v)),
			bits.Reverse64(v), bits.Reverse32(uint32(v)), bits.ReverseBytes64(v), bits.ReverseBytes32(uint32(v)), bits.ReverseBytes16(uint16(v)))
		for _, k := range []int{0, 1, 7, 8, 31, 32, 33, 63, 64, 65, -1, -32, -64} {
			fmt.Fprint(out, bits.RotateLeft64(v, k), " ", bits.RotateLeft32(uint32(v), k), " ", bits.RotateLeft16(uint16(v), k), " ", bits.RotateLeft8(uint8(v), k), " ")
			s := uint(k)
			fmt.Fprintln(out, v<<s, v>>s, int64(v)>>s, uint32(v)<<s, int32(v)>>s, uint32(v)<<(s&31), int32(v)>>(s&31), v<<(s&63), int64(v)>>(s&63))
		}
		for _, w := range []uint64{1, 3, 0xffffffff, 1 << 32, 0xfffffffffffffff1, 1 << 63} {
			hi, lo := bits.Mul64(v, w)
			sum, carry := bits.Add64(v, w, 1)
			diff, borrow := bits.Sub64(v, w, 1)
			q, r := bits.Div64(v%w, w, w)
			fmt.Fprintln(out, hi, lo, sum, carry, diff, borrow, q, r, bits.Rem64(w, v, w))
		}
	}
}

func main() {
	defer out.Flush()
	binary("int8", []int8{0, 1, -1, 2, 7, 8, 100, 127, -128, -127})
	binary("uint8", []uint8{0, 1, 2, 7, 8, 127, 128, 254, 255})
	binary("int16", []int16{0, 1, -1, 15, 16, 255, 256, 32767, -32768})
	binary("uint16", []uint16{0, 1, 15, 16, 255, 256, 32768, 65535})
	binary("int32", []int32{0, 1, -1, 31, 32, 65535, 65536, 1<<31 - 1, -1 << 31, -1<<31 + 1})
	binary("uint32", []uint32{0, 1, 31, 32, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 1})
	binary("int64", []int64{0, 1, -1, 63, 64, 1<<31 - 1, 1 << 31, 1 << 32, -1 << 31, 1<<63 - 1, -1 << 63, -1<<63 + 1, 0x123456789abcdef})
	binary("uint64", []uint64{0, 1, 63, 64, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1})
	counts()
}
