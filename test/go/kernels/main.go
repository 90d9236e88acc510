// Sixteen kernels that say how fast a runtime runs Go, and that it computes what native Go computes.
// Prints "name check" per kernel, with -ms "name best_ms check", best of -rounds.
//
//	kernels [-quick] [-rounds N] [-ms] [name ...]
//
// -quick takes sizes about a twentieth of the full ones, for interpreters.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

type node struct{ l, r *node }

func bt(d int) *node {
	if d == 0 {
		return &node{}
	}
	return &node{bt(d - 1), bt(d - 1)}
}
func (n *node) check() int {
	if n.l == nil {
		return 1
	}
	return 1 + n.l.check() + n.r.check()
}
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}
func nbody(n int) float64 {
	x, y, vx, vy := 1.0, 0.0, 0.0, 1.0
	for i := 0; i < n; i++ {
		r2 := x*x + y*y
		r3 := r2 * math.Sqrt(r2)
		vx -= x / r3 * 0.001
		vy -= y / r3 * 0.001
		x += vx * 0.001
		y += vy * 0.001
	}
	return x + y
}
func fannkuch(n int) int {
	p := make([]int, n)
	q := make([]int, n)
	s := make([]int, n)
	sign, maxf, sum := 1, 0, 0
	for i := range p {
		p[i] = i
		q[i] = i
		s[i] = i
	}
	for {
		if q0 := p[0]; q0 != 0 {
			for i := 1; i < n; i++ {
				q[i] = p[i]
			}
			fl := 1
			for {
				qq := q[q0]
				if qq == 0 {
					sum += sign * fl
					if fl > maxf {
						maxf = fl
					}
					break
				}
				q[q0] = q0
				if q0 >= 3 {
					i, j := 1, q0-1
					for {
						q[i], q[j] = q[j], q[i]
						i++
						j--
						if i >= j {
							break
						}
					}
				}
				q0 = qq
				fl++
			}
		}
		if sign == 1 {
			p[0], p[1] = p[1], p[0]
			sign = -1
		} else {
			p[1], p[2] = p[2], p[1]
			sign = 1
			for i := 2; i < n; i++ {
				sx := s[i]
				if sx != 0 {
					s[i] = sx - 1
					break
				}
				if i == n-1 {
					return sum*1000 + maxf
				}
				s[i] = i
				t := p[0]
				for j := 0; j <= i; j++ {
					p[j] = p[j+1]
				}
				p[i+1] = t
			}
		}
	}
}
func matmul(n int) float64 {
	a := make([]float64, n*n)
	b := make([]float64, n*n)
	c := make([]float64, n*n)
	for i := range a {
		a[i] = float64(i % 7)
		b[i] = float64(i % 5)
	}
	for i := 0; i < n; i++ {
		for k := 0; k < n; k++ {
			x := a[i*n+k]
			for j := 0; j < n; j++ {
				c[i*n+j] += x * b[k*n+j]
			}
		}
	}
	return c[n*n-1]
}
func sieve(n int) int {
	s := make([]bool, n+1)
	c := 0
	for i := 2; i <= n; i++ {
		if !s[i] {
			c++
			for j := i * 2; j <= n; j += i {
				s[j] = true
			}
		}
	}
	return c
}

type Rec struct {
	ID   int
	Name string
	Tags []string
	V    map[string]float64
}

func chans(n int) int {
	c := make(chan int)
	d := make(chan int)
	go func() {
		for v := range c {
			d <- v + 1
		}
		close(d)
	}()
	s := 0
	for i := 0; i < n; i++ {
		c <- i
		s += <-d
	}
	close(c)
	return s
}

type shape interface{ area() float64 }
type sq struct{ a float64 }

func (s sq) area() float64 { return s.a * s.a }

type ci struct{ r float64 }

func (s *ci) area() float64 { return s.r * s.r * 3 }
func iface(n int) float64 {
	sh := []shape{sq{1}, &ci{2}, sq{3}, &ci{4}}
	t := 0.0
	for i := 0; i < n; i++ {
		t += sh[i&3].area()
	}
	return t
}
func main() {
	quick := flag.Bool("quick", false, "smaller sizes")
	rounds := flag.Int("rounds", 3, "how often each kernel runs")
	ms := flag.Bool("ms", false, "print the best time in milliseconds")
	flag.Parse()
	size := func(full, small int) int {
		if *quick {
			return small
		}
		return full
	}
	text := strings.Repeat("the quick brown fox jumps over the lazy dog 12345 foo@example.com ", size(2000, 200))
	recs := []Rec{}
	for i := range size(500, 50) {
		recs = append(recs, Rec{i, "name" + strconv.Itoa(i), []string{"a", "b", "c"}, map[string]float64{"x": float64(i), "y": 1.5}})
	}
	js, _ := json.Marshal(recs)
	re := regexp.MustCompile(`[a-z]+@[a-z]+\.com`)
	tests := []struct {
		n string
		f func() any
	}{
		{"fib", func() any { return fib(size(35, 28)) }},
		{"binarytrees", func() any {
			s := 0
			for range size(12, 2) {
				s += bt(size(15, 13)).check()
			}
			return s
		}},
		{"nbody", func() any { return nbody(size(10000000, 500000)) }},
		{"fannkuch", func() any { return fannkuch(size(9, 8)) }},
		{"matmul", func() any { return matmul(size(300, 100)) }},
		{"sieve", func() any { return sieve(size(10000000, 500000)) }},
		{"sha256", func() any {
			b := make([]byte, size(1<<20, 1<<17))
			var h [32]byte
			for range size(8, 4) {
				h = sha256.Sum256(b)
			}
			return h[0]
		}},
		{"json", func() any {
			n := 0
			for range size(15, 7) {
				var r []Rec
				json.Unmarshal(js, &r)
				o, _ := json.Marshal(r)
				n += len(o)
			}
			return n
		}},
		{"regexp", func() any {
			n := 0
			for range size(3, 2) {
				n += len(re.FindAllStringIndex(text, -1))
			}
			return n
		}},
		{"sort", func() any {
			a := make([]int, size(1000000, 50000))
			x := uint32(1)
			for i := range a {
				x = x*1664525 + 1013904223
				a[i] = int(x >> 3)
			}
			sort.Ints(a)
			return a[0]
		}},
		{"map", func() any {
			m := map[int]int{}
			for i := range size(1000000, 50000) {
				m[i*7%500009] += i
			}
			return len(m)
		}},
		{"gzip", func() any {
			var b bytes.Buffer
			for range size(5, 3) {
				b.Reset()
				w := gzip.NewWriter(&b)
				w.Write([]byte(text))
				w.Write(js)
				w.Close()
			}
			return b.Len()
		}},
		{"chan", func() any { return chans(size(500000, 10000)) }},
		{"iface", func() any { return iface(size(50000000, 1000000)) }},
		{"strmap", func() any {
			m := map[string]int{}
			for range size(20, 10) {
				for _, w := range strings.Fields(text) {
					m[w]++
				}
			}
			return len(m)
		}},
		{"fmt", func() any {
			n := 0
			for i := range size(300000, 10000) {
				n += len(fmt.Sprintf("%d %s %v", i, "abc", 1.5))
			}
			return n
		}},
	}
	want := map[string]bool{}
	for _, a := range flag.Args() {
		want[a] = true
	}
	for _, t := range tests {
		if len(want) > 0 && !want[t.n] {
			continue
		}
		best := time.Duration(math.MaxInt64)
		var v any
		for i := 0; i < *rounds; i++ {
			s := time.Now()
			v = t.f()
			best = min(best, time.Since(s))
		}
		if *ms {
			fmt.Printf("%s %.3f %v\n", t.n, float64(best.Microseconds())/1000, v)
		} else {
			fmt.Println(t.n, v)
		}
	}
}
