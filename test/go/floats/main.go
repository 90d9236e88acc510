// floats prints what every operation on floating point numbers gives over a table of edge values, bit
// by bit. A NaN that an operation makes has no defined sign or payload and is printed as NaN; where the
// bits must survive (moves, negation, absolute value, sign copies) they are printed.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
)

var out = bufio.NewWriter(os.Stdout)

var edges = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 0.49999999999999994, 1 - 1.0/(1<<53),
	math.Pi, -math.E, 1e10, -1e10, 1e100, -1e-100, 1 << 23, 1<<23 + 1, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1 << 32,
	1 << 52, 1<<52 + 1, 1<<53 - 1, 1 << 53, 1<<53 + 2, 1 << 62, 4503599627370495.5, 9007199254740993,
	math.MaxInt32, math.MinInt32, math.MaxUint32, 9.223372036854775e18, -9.223372036854775e18,
	math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 1.1754943508222875e-38, 3.4028235677973366e+38,
	math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64,
	2.2250738585072014e-308, 2.225073858507201e-308, math.Inf(1), math.Inf(-1), math.NaN(),
}

func bits(v float64) string {
	if v != v {
		return "NaN"
	}
	return strconv.FormatUint(math.Float64bits(v), 16)
}

func bits32(v float32) string {
	if v != v {
		return "NaN"
	}
	return strconv.FormatUint(uint64(math.Float32bits(v)), 16)
}

// The operations are out of line, so that no constant is folded.

//go:noinline
func arith(a, b float64) [4]float64 { return [4]float64{a + b, a - b, a * b, a / b} }

//go:noinline
func arith32(a, b float32) [4]float32 { return [4]float32{a + b, a - b, a * b, a / b} }

//go:noinline
func compare(a, b float64) (r int) {
	for i, v := range [6]bool{a < b, a <= b, a == b, a != b, a >= b, a > b} {
		if v {
			r |= 1 << i
		}
	}
	return
}

//go:noinline
func compare32(a, b float32) (r int) {
	for i, v := range [6]bool{a < b, a <= b, a == b, a != b, a >= b, a > b} {
		if v {
			r |= 1 << i
		}
	}
	return
}

func binary() {
	for _, a := range edges {
		for _, b := range edges {
			r := arith(a, b)
			fmt.Fprint(out, bits(r[0]), " ", bits(r[1]), " ", bits(r[2]), " ", bits(r[3]))
			f := arith32(float32(a), float32(b))
			fmt.Fprint(out, " ", bits32(f[0]), " ", bits32(f[1]), " ", bits32(f[2]), " ", bits32(f[3]))
			fmt.Fprint(out, " ", compare(a, b), " ", compare32(float32(a), float32(b)))
			fmt.Fprint(out, " ", bits(math.Min(a, b)), " ", bits(math.Max(a, b)), " ", bits(min(a, b)), " ", bits(max(a, b)))
			fmt.Fprint(out, " ", strconv.FormatUint(math.Float64bits(math.Copysign(a, b)), 16))
			fmt.Fprint(out, " ", bits(math.Mod(a, b)), " ", bits(math.Remainder(a, b)), " ", bits(math.FMA(a, b, a)), " ", bits(math.Nextafter(a, b)), "\n")
		}
	}
}

func unary() {
	functions := []struct {
		name string
		f    func(float64) float64
	}{
		{"neg", func(v float64) float64 { return -v }},
		{"sqrt", math.Sqrt}, {"floor", math.Floor}, {"ceil", math.Ceil}, {"trunc", math.Trunc},
		{"round", math.Round}, {"even", math.RoundToEven}, {"sin", math.Sin}, {"cos", math.Cos},
		{"tan", math.Tan}, {"atan", math.Atan}, {"asin", math.Asin}, {"acos", math.Acos},
		{"cbrt", math.Cbrt}, {"log1p", math.Log1p}, {"expm1", math.Expm1}, {"asinh", math.Asinh}, {"j0", math.J0},
	}
	for _, f := range functions {
		for _, v := range edges {
			fmt.Fprintln(out, f.name, bits(v), bits(f.f(v)))
		}
	}
	// These have assembly on some native machines, which rounds the last place otherwise and is wrong
	// for subnormal numbers.
	for _, f := range []struct {
		name string
		f    func(float64) float64
	}{{"exp", math.Exp}, {"log", math.Log}, {"gamma", math.Gamma}, {"erf", math.Erf}, {"tanh", math.Tanh}} {
		for _, v := range edges {
			if v == 0 || math.Abs(v) > 0x1p-1022 {
				fmt.Fprintf(out, "%s %s %.9e\n", f.name, bits(v), f.f(v))
			}
		}
	}
}

//go:noinline
func toInts(v float64) (int64, int32, int16, int8) { return int64(v), int32(v), int16(v), int8(v) }

//go:noinline
func toUints(v float64) (uint64, uint32, uint16, uint8) {
	return uint64(v), uint32(v), uint16(v), uint8(v)
}

//go:noinline
func fromInt(i int64) (float64, float32, float64, float32) {
	return float64(i), float32(i), float64(int32(i)), float32(int32(i))
}

//go:noinline
func fromUint(i uint64) (float64, float32, float64, float32) {
	return float64(i), float32(i), float64(uint32(i)), float32(uint32(i))
}

func conversions() {
	for _, v := range edges {
		// Outside the range of the result Go leaves the value to the machine.
		if v > -128 && v < 128 {
			a, b, c, d := toInts(v)
			fmt.Fprintln(out, "int", bits(v), a, b, c, d)
		}
		if v > -1 && v < 256 {
			a, b, c, d := toUints(v)
			fmt.Fprintln(out, "uint", bits(v), a, b, c, d)
		}
		if v > -9.2233720368547758e18 && v < 9.2233720368547758e18 {
			fmt.Fprintln(out, "int64", int64(v), int64(float32(v)) != 0)
		}
		if v > -1 && v < 1.8446744073709552e19 {
			fmt.Fprintln(out, "uint64", uint64(v))
		}
		fmt.Fprintln(out, "narrow", bits32(float32(v)), bits(float64(float32(v))))
	}
	for _, i := range []int64{0, 1, -1, 127, -128, 1<<24 - 1, 1<<24 + 1, 1<<25 + 3, 1<<31 - 1, -1 << 31, 1<<32 - 1, 1 << 32,
		1<<53 - 1, 1<<53 + 1, 1<<54 + 3, -1<<53 - 1, 1<<62 + 1, 1<<63 - 1, 1<<63 - 512, 1<<63 - 513, -1 << 63, -1<<63 + 1} {
		a, b, c, d := fromInt(i)
		fmt.Fprintln(out, "from", i, bits(a), bits32(b), bits(c), bits32(d))
		a, b, c, d = fromUint(uint64(i))
		fmt.Fprintln(out, "from", uint64(i), bits(a), bits32(b), bits(c), bits32(d))
	}
}

//go:noinline
func move(v float64) float64 { return v }

//go:noinline
func move32(v float32) float32 { return v }

func payloads() {
	for _, b := range []uint64{0x7ff8000000000000, 0xfff8000000000000, 0x7ff8000000000001, 0x7fffffffffffffff, 0x7ff8dead0000beef} {
		v := math.Float64frombits(b)
		fmt.Fprintf(out, "%x %x %x %x %x\n", math.Float64bits(move(v)), math.Float64bits(-move(v)), math.Float64bits(math.Abs(v)),
			math.Float64bits(math.Copysign(v, -1)), math.Float64bits(*&[]float64{v, 1}[0]))
	}
	for _, b := range []uint32{0x7fc00000, 0xffc00000, 0x7fc00001, 0x7fffffff} {
		v := math.Float32frombits(b)
		fmt.Fprintf(out, "%x %x\n", math.Float32bits(move32(v)), math.Float32bits(-move32(v)))
	}
}

func text() {
	for _, v := range edges {
		fmt.Fprintf(out, "%v %x %g %e %.3f %b %q\n", v, v, float32(v), v, v, v, strconv.FormatFloat(v, 'g', -1, 32))
		s := strconv.FormatFloat(v, 'g', -1, 64)
		back, err := strconv.ParseFloat(s, 64)
		if bits(back) != bits(v) || err != nil {
			fmt.Fprintln(out, "round trip of", s, "gave", back, err)
		}
		m, e := math.Frexp(v)
		i, f := math.Modf(v)
		fmt.Fprintln(out, bits(m), e, bits(math.Ldexp(m, e)), bits(i), bits(f), math.Signbit(v), math.IsInf(v, 0))
	}
	x := 1.0
	c := complex(1, 2)
	for i := 0; i < 100; i++ {
		x = x*1.7 - math.Floor(x)
		c = c*complex(0.5, x) + complex(x, -1)/c
		fmt.Fprintln(out, bits(x), bits(real(c)), bits(imag(c)))
	}
}

func main() {
	defer out.Flush()
	binary()
	unary()
	conversions()
	payloads()
	text()
}
