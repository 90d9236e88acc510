// spin never ends, in the way its argument names.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

var sink int

func main() {
	fmt.Println("started")
	switch os.Args[1] {
	case "loop":
		for {
			sink++
		}
	case "call":
		for {
			work(20)
		}
	case "copy":
		a, b := make([]byte, 64<<20), make([]byte, 64<<20)
		for {
			copy(a, b)
		}
	case "sleep":
		time.Sleep(time.Hour)
	case "stdin":
		bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Println("read")
	case "output":
		for {
			os.Stdout.WriteString("x")
		}
	}
}

//go:noinline
func work(n int) int {
	if n == 0 {
		return sink
	}
	return work(n-1) + 1
}
