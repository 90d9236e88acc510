// sleep checks that waits last at least as long as asked for and not much longer.
package main

import (
	"fmt"
	"time"
)

func main() {
	for _, d := range []time.Duration{0, time.Microsecond, time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond} {
		begin := time.Now()
		time.Sleep(d)
		if took := time.Since(begin); took < d {
			fmt.Println("slept", took, "asked", d)
		} else if took > d+5*time.Second {
			fmt.Println("overslept", took, "asked", d)
		}
	}
	time.Sleep(-time.Second)
	fmt.Println("slept")
}
