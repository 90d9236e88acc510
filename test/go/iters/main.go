// iters runs range-over-function loops with every way of leaving them.
package main

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		defer fmt.Print("[end] ")
		for i := 0; i < n; i++ {
			if !yield(i) {
				fmt.Print("[stopped] ")
				return
			}
		}
	}
}

func zip[A, B any](a iter.Seq[A], b iter.Seq[B]) iter.Seq2[A, B] {
	return func(yield func(A, B) bool) {
		next, stop := iter.Pull(b)
		defer stop()
		for x := range a {
			y, ok := next()
			if !ok || !yield(x, y) {
				return
			}
		}
	}
}

func find(n int) (s string) {
	defer func() { s += fmt.Sprint(" deferred ", recover()) }()
	for i := range count(10) {
		for j := range count(10) {
			if i*j == n {
				return fmt.Sprint("found ", i, j)
			}
			if j > i {
				break
			}
			if i == 9 && n == 1000 {
				panic("inside")
			}
		}
	}
	return "none"
}

func labels() int {
	sum := 0
outer:
	for i := range count(6) {
		for j := range count(6) {
			switch {
			case j == 4:
				continue outer
			case i == 4:
				break outer
			}
			sum += i * j
		}
	}
	return sum
}

func main() {
	fmt.Println(find(12))
	fmt.Println(find(77))
	fmt.Println(find(1000))
	fmt.Println(labels())
	for a, b := range zip(count(5), slices.Values([]string{"x", "y", "z"})) {
		fmt.Print(a, b, " ")
	}
	fmt.Println()
	func() {
		defer func() { fmt.Println(recover()) }()
		bad := func(yield func(int) bool) {
			yield(1)
			yield(2)
		}
		for range bad {
			break
		}
	}()
	m := maps.Collect(slices.All([]string{"a", "b"}))
	fmt.Println(m, slices.Sorted(maps.Values(m)), slices.Collect(strings.SplitSeq("a-b-c", "-")))
	next, stop := iter.Pull2(slices.Backward([]int{1, 2, 3}))
	fmt.Println(next())
	stop()
	fmt.Println(next())
	n := 0
	for range 100000 {
		n++
	}
	total := 0
	for v := range func(yield func(int) bool) {
		for i := 0; i < 50000 && yield(i); i++ {
		}
	} {
		total += v
	}
	fmt.Println(n, total)
}
