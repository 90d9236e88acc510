// brokenpipe writes until nobody reads any more, and says what it was told then.
package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

func main() {
	line := make([]byte, 1000)
	for i := range line {
		line[i] = 'x'
	}
	line[999] = '\n'
	for {
		if n, err := os.Stdout.Write(line); err != nil {
			fmt.Fprintln(os.Stderr, n < 1000, err, errors.Is(err, syscall.EPIPE))
			os.Exit(3)
		}
	}
}
