// sorts sorts by all the ways of the library and checks order and stability.
package main

import (
	"cmp"
	"container/heap"
	"container/list"
	"container/ring"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

type rec struct {
	k, seq int
	name   string
}
type byName []rec

func (b byName) Len() int           { return len(b) }
func (b byName) Less(i, j int) bool { return b[i].name < b[j].name }
func (b byName) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }

type ints []int

func (h ints) Len() int           { return len(h) }
func (h ints) Less(i, j int) bool { return h[i] < h[j] }
func (h ints) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ints) Push(x any)        { *h = append(*h, x.(int)) }
func (h *ints) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func main() {
	x := uint32(9)
	next := func() int { x = x*1664525 + 1013904223; return int(x >> 8) }
	for _, n := range []int{0, 1, 2, 11, 12, 13, 50, 1000, 8000} {
		a := make([]int, n)
		for i := range a {
			a[i] = next() % (n + 1)
		}
		patterns := map[string][]int{"random": a, "sorted": slices.Sorted(slices.Values(a)), "equal": make([]int, n)}
		rev := slices.Clone(patterns["sorted"])
		slices.Reverse(rev)
		patterns["reversed"] = rev
		for _, name := range []string{"random", "sorted", "equal", "reversed"} {
			p := patterns[name]
			b, c := slices.Clone(p), slices.Clone(p)
			sort.Ints(b)
			sort.Sort(sort.Reverse(sort.IntSlice(c)))
			slices.Reverse(c)
			h := 0
			for _, v := range b {
				h = h*31 + v
			}
			fmt.Println(n, name, h, slices.Equal(b, c), slices.IsSorted(b))
		}
	}
	recs := make([]rec, 5000)
	for i := range recs {
		recs[i] = rec{next() % 50, i, strings.Repeat(string(rune('a'+next()%26)), next()%5)}
	}
	s1, s2, s3 := slices.Clone(recs), slices.Clone(recs), slices.Clone(recs)
	sort.SliceStable(s1, func(i, j int) bool { return s1[i].k < s1[j].k })
	slices.SortStableFunc(s2, func(a, b rec) int { return cmp.Compare(a.k, b.k) })
	sort.Stable(byName(s3))
	ok := true
	for i := 1; i < len(s3); i++ {
		a, b := s3[i-1], s3[i]
		ok = ok && (a.name < b.name || a.name == b.name && a.seq < b.seq)
	}
	fmt.Println(slices.Equal(s1, s2), ok, s1[0], s1[4999], s3[2500])
	slices.SortFunc(s2, func(a, b rec) int {
		return cmp.Or(strings.Compare(a.name, b.name), -cmp.Compare(a.k, b.k), a.seq-b.seq)
	})
	fmt.Println(s2[0], s2[2500], s2[4999])
	i, found := slices.BinarySearchFunc(s1, 25, func(r rec, k int) int { return cmp.Compare(r.k, k) })
	fmt.Println(i, found, sort.Search(5000, func(i int) bool { return s1[i].k >= 25 }))
	f := []float64{3, math.NaN(), -1, math.Inf(1), 0, math.Copysign(0, -1), math.Inf(-1), math.NaN(), 2}
	sort.Float64s(f)
	fmt.Println(f)
	words := strings.Fields("the quick Brown fox jumps Over the lazy dog é ß z")
	sort.Strings(words)
	fmt.Println(words, slices.Compact(words), slices.MinFunc(words, func(a, b string) int { return len(b) - len(a) }))

	h := &ints{}
	for range 2000 {
		heap.Push(h, next()%1000)
	}
	sum := 0
	for last := -1; h.Len() > 0; {
		v := heap.Pop(h).(int)
		if v < last {
			fmt.Println("heap order", last, v)
		}
		last, sum = v, sum*7+v
	}
	fmt.Println(sum)
	l := list.New()
	for i := range 10 {
		if i&1 == 0 {
			l.PushBack(i)
		} else {
			l.PushFront(i)
		}
	}
	l.MoveToFront(l.Back())
	for e := l.Front(); e != nil; e = e.Next() {
		fmt.Print(e.Value, " ")
	}
	r := ring.New(5)
	for i := range 5 {
		r.Value = i
		r = r.Next()
	}
	r.Unlink(2)
	r.Do(func(v any) { fmt.Print(v, " ") })
	fmt.Println()
}
