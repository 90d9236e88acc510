// gcstress builds and drops garbage on many goroutines while the collector runs, and checks what is kept.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"unique"
	"weak"
)

type node struct {
	left, right *node
	id          int
	pad         []byte
}

func build(depth, id int) *node {
	if depth == 0 {
		return &node{id: id, pad: make([]byte, id%64)}
	}
	return &node{build(depth-1, id*2), build(depth-1, id*2+1), id, nil}
}

func (n *node) check(id int) int {
	if n.id != id {
		panic(fmt.Sprint("node ", id, " is ", n.id))
	}
	if n.left == nil {
		return 1
	}
	return 1 + n.left.check(id*2) + n.right.check(id*2+1)
}

func worker(seed int, rounds int) int {
	kept := build(7, 1)
	m := map[int]*node{}
	text := ""
	sum := 0
	for i := 0; i < rounds; i++ {
		m[i%17] = build(4, 1)
		text += fmt.Sprint(seed, i)
		if len(text) > 500 {
			text = strings.Repeat("x", seed%10)
		}
		if i%13 == 0 {
			runtime.Gosched()
		}
		sum += m[i%17].check(1)
		iface := any(m[i%17])
		f := func() int { return iface.(*node).id + len(text) }
		sum += f() - len(text)
	}
	return sum + kept.check(1)
}

func main() {
	debug.SetGCPercent(20)
	const workers = 60
	var wg sync.WaitGroup
	results := make([]int, workers)
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			results[w] = worker(w, 60)
		}()
	}
	wg.Wait()
	total := 0
	for _, r := range results {
		total += r
	}
	fmt.Println(total)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	// How often the collector comes by itself depends on the processors it finds free: more garbage until it came often.
	for round := 0; m.NumGC <= 5 && round < 1000; round++ {
		worker(round, 60)
		runtime.ReadMemStats(&m)
	}
	fmt.Println("collected:", m.NumGC > 5)

	done := make(chan int, 100)
	func() {
		for i := range 100 {
			n := &node{id: i, pad: make([]byte, 1000)}
			runtime.SetFinalizer(n, func(n *node) { done <- n.id })
		}
	}()
	sum := 0
	for i := 0; i < 100; i++ {
		if i%10 == 0 {
			runtime.GC()
		}
		select {
		case id := <-done:
			sum += id
		default:
			runtime.Gosched()
			i--
			runtime.GC()
		}
	}
	fmt.Println("finalized:", sum)
	p := &node{id: 5, pad: make([]byte, 10)}
	w := weak.Make(p)
	fmt.Println("weak:", w.Value().id)
	runtime.KeepAlive(p)
	p = nil
	runtime.GC()
	runtime.GC()
	fmt.Println("gone:", w.Value() == nil)
	fmt.Println("unique:", unique.Make("ab") == unique.Make(string([]byte{'a', 'b'})))

	// Stacks that grow and shrink while they are scanned.
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var deep func(n int, keep *node) int
			deep = func(n int, keep *node) int {
				var local [16]int
				local[n%16] = keep.id
				if n == 0 {
					runtime.GC()
					return local[0]
				}
				return deep(n-1, &node{id: keep.id}) + local[n%16]
			}
			if got := deep(500, &node{id: 3}); got != 3*501 {
				fmt.Println("stack", got)
			}
		}()
	}
	wg.Wait()
	fmt.Println("done")
}
