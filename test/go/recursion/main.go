// recursion goes a million frames deep, in several shapes.
package main

import (
	"fmt"
	"os"
	"strconv"
)

//go:noinline
func down(n int) int {
	if n == 0 {
		return 0
	}
	return down(n-1) + 1
}

//go:noinline
func even(n int) bool { return n == 0 || odd(n-1) }

//go:noinline
func odd(n int) bool { return n != 0 && even(n-1) }

//go:noinline
func wide(n int) (r [8]int) {
	if n == 0 {
		return
	}
	r = wide(n - 1)
	r[n&7]++
	return
}

type node interface{ depth(n int) int }
type left struct{ next node }
type right struct{ next node }

func (l *left) depth(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + l.next.depth(n-1)
}

func (r right) depth(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + r.next.depth(n-1)
}

func unwind(n int) (s string) {
	defer func() { s = fmt.Sprint("recovered ", recover(), " at ", n) }()
	var f func(int)
	f = func(i int) {
		if i == 0 {
			panic("bottom")
		}
		f(i - 1)
	}
	f(n)
	return
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	fmt.Println(down(n))
	if len(os.Args) == 2 {
		return
	}
	fmt.Println(even(n), odd(n))
	fmt.Println(wide(n / 4))
	l := &left{}
	l.next = right{l}
	fmt.Println(l.depth(n / 4))
	fmt.Println(unwind(n / 4))
	done := make(chan int)
	go func() { done <- down(n / 2) }()
	fmt.Println(<-done)
}
