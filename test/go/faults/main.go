// faults fails in the way its argument names; Go's runtime must report each as it does natively.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

type point struct {
	pad [2000]int
	x   int
}

var nobody *point
var noFunc func()
var zero int
var table = make([]int, 4)

func main() {
	fmt.Println("before")
	defer fmt.Println("deferred")
	switch os.Args[1] {
	case "panic":
		panic("at the disco")
	case "error":
		panic(fmt.Errorf("wrapped: %w", errors.New("inner")))
	case "nil":
		fmt.Println(nobody.x)
	case "nilfunc":
		noFunc()
	case "index":
		fmt.Println(table[zero+4])
	case "slice":
		fmt.Println(table[3:zero])
	case "divide":
		fmt.Println(1 / zero)
	case "nilmap":
		var m map[string]int
		m["a"] = 1
	case "assert":
		var v any = "text"
		fmt.Println(v.(int))
	case "close":
		var c chan int
		close(c)
	case "repanic":
		defer func() {
			panic(fmt.Sprint("second after ", recover()))
		}()
		panic("first")
	case "goroutine":
		go func() { panic("elsewhere") }()
		select {}
	case "unlock":
		var mu rwlocker
		mu.Unlock()
	case "makeslice":
		fmt.Println(len(make([]int, zero-1)))
	case "repeat":
		fmt.Println(strings.Repeat("x", zero-1))
	case "recovered":
		for _, f := range []func(){
			func() { fmt.Println(nobody.x) },
			func() { nobody.x = 1 },
			func() { noFunc() },
			func() { fmt.Println(table[zero+4]) },
			func() { fmt.Println(1 % zero) },
			func() { fmt.Println(table[3:zero]) },
			func() { fmt.Println(*(*[5]int)(table)) },
		} {
			func() {
				defer func() { fmt.Println(recover()) }()
				f()
			}()
		}
	}
}
