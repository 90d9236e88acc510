// bignum computes with numbers of any size.
package main

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"math/cmplx"
	"math/rand"
)

func pi(digits int64) string {
	// Machin: 16 atan(1/5) - 4 atan(1/239), in fixed point.
	unity := new(big.Int).Exp(big.NewInt(10), big.NewInt(digits+10), nil)
	atan := func(x int64) *big.Int {
		sum, term := new(big.Int), new(big.Int).Div(unity, big.NewInt(x))
		sq := big.NewInt(x * x)
		t := new(big.Int)
		for n := int64(1); term.Sign() != 0; n += 2 {
			t.Div(term, big.NewInt(n))
			if n%4 == 1 {
				sum.Add(sum, t)
			} else {
				sum.Sub(sum, t)
			}
			term.Div(term, sq)
		}
		return sum
	}
	p := new(big.Int).Mul(big.NewInt(16), atan(5))
	p.Sub(p, new(big.Int).Mul(big.NewInt(4), atan(239)))
	return p.Div(p, big.NewInt(1e10)).String()
}

func main() {
	f := big.NewInt(1)
	for i := int64(2); i <= 1000; i++ {
		f.Mul(f, big.NewInt(i))
	}
	s := f.String()
	fmt.Printf("1000! has %d digits: %s… %x\n", len(s), s[:40], sha256.Sum256([]byte(s)))
	p := pi(1000)
	fmt.Printf("%s… %x\n", p[:50], sha256.Sum256([]byte(p)))
	q, r := new(big.Int).QuoRem(f, new(big.Int).Exp(big.NewInt(3), big.NewInt(1000), nil), new(big.Int))
	fmt.Println(q.BitLen(), r.BitLen(), new(big.Int).GCD(nil, nil, f, new(big.Int).Lsh(big.NewInt(12345), 500)).BitLen())
	m, _ := new(big.Int).SetString("170141183460469231731687303715884105727", 10)
	fmt.Println(m.ProbablyPrime(20), new(big.Int).Exp(big.NewInt(3), f, m), new(big.Int).ModInverse(big.NewInt(7), m), new(big.Int).Sqrt(f).BitLen())
	fmt.Println(new(big.Int).Neg(m).Text(36), new(big.Int).Not(m), new(big.Int).And(f, m), new(big.Int).Rsh(f, 8000))
	h := new(big.Rat)
	for i := int64(1); i <= 100; i++ {
		h.Add(h, big.NewRat(1, i))
	}
	fmt.Println(h, h.FloatString(30))
	x := new(big.Float).SetPrec(300).SetInt64(2)
	fmt.Println(x.Sqrt(x).Text('g', 80))
	y, _, err := big.ParseFloat("1.5e-1000", 10, 100, big.ToNearestEven)
	fmt.Println(y, err, new(big.Float).Quo(x, y))
	fmt.Println(cmplx.Abs(3+4i), cmplx.Sqrt(-1), cmplx.Pow(1+1i, 3))
	g := rand.New(rand.NewSource(42))
	fmt.Println(g.Int63(), g.Intn(100), g.Perm(10), g.Float64())
	a := new(big.Int).Rand(g, f)
	b := new(big.Int).Rand(g, f)
	c := new(big.Int).Mul(a, b)
	fmt.Println(c.Div(c, a).Cmp(b))
	fmt.Println(new(big.Int).Binomial(200, 77))
}
