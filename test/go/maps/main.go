// maps runs maps of many key types through growth, deletion, iteration and odd keys.
package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
)

type key struct {
	a int32
	s string
	f float64
}

func main() {
	m := map[int]int{}
	x := uint32(3)
	for i := 0; i < 200000; i++ {
		x = x*1664525 + 1013904223
		k := int(x >> 15)
		if x&3 == 0 {
			delete(m, k)
		} else {
			m[k] += i
		}
	}
	keys := slices.Sorted(maps.Keys(m))
	sum := 0
	for i, k := range keys {
		sum = sum*31 + k ^ m[k]*i
	}
	fmt.Println(len(m), sum)

	s := map[string][]int{}
	for i := 0; i < 20000; i++ {
		k := fmt.Sprintf("key-%d-%s", i%777, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[:i%30])
		s[k] = append(s[k], i)
	}
	n := 0
	for k, v := range s {
		n += len(k) * len(v)
	}
	fmt.Println(len(s), n)

	nan := map[float64]int{}
	for i := 0; i < 10; i++ {
		nan[math.NaN()] = i
		nan[math.Copysign(0, -1)] = i
		nan[0] += i
	}
	_, ok := nan[math.NaN()]
	vals := slices.Sorted(maps.Values(nan))
	fmt.Println(len(nan), ok, vals, nan[0])
	delete(nan, math.NaN())
	fmt.Println(len(nan))
	clear(nan)
	fmt.Println(len(nan))

	st := map[key]string{{1, "a", 2}: "x", {1, "a", 3}: "y"}
	st[key{1, "a", 2}] += "z"
	fmt.Println(st[key{1, "a", 2}], st[key{1, "b", 2}] == "", len(st))
	an := map[any]int{1: 1, "1": 2, 1.0: 3, [2]int{1, 2}: 4, key{}: 5, nil: 6, true: 7, 'x': 8, int8(1): 9}
	fmt.Println(len(an), an[1], an[1.0], an[int8(1)], an[[2]int{1, 2}], an[nil])
	func() {
		defer func() { fmt.Println(recover()) }()
		an[[]int{1}] = 1
	}()
	ch := make(chan int)
	ptr := map[chan int]*int{ch: new(int)}
	*ptr[ch]++
	fmt.Println(*ptr[ch])

	// Deleting and adding while iterating: each old key is seen at most once, a deleted one never again.
	d := map[int]bool{}
	for i := 0; i < 1000; i++ {
		d[i] = true
	}
	seen := map[int]int{}
	for k := range d {
		seen[k]++
		delete(d, (k+1)%1000)
		d[k+100000] = true
		delete(d, k+100000)
	}
	for k, c := range seen {
		if c != 1 {
			fmt.Println("seen", k, c)
		}
	}
	orders := map[string]bool{}
	o := map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true}
	for i := 0; i < 200; i++ {
		var order []int
		for k := range o {
			order = append(order, k)
		}
		orders[fmt.Sprint(order)] = true
		sort.Ints(order)
		if fmt.Sprint(order) != "[1 2 3 4 5 6 7 8]" {
			fmt.Println("lost keys", order)
		}
	}
	fmt.Println("random order:", len(orders) > 1)
	big := make(map[[4]uint64][100]byte, 10)
	for i := uint64(0); i < 3000; i++ {
		v := big[[4]uint64{i % 1000, 1, i % 3, 0}]
		v[i%100]++
		big[[4]uint64{i % 1000, 1, i % 3, 0}] = v
	}
	fmt.Println(len(big), big[[4]uint64{5, 1, 2, 0}][5])
}
