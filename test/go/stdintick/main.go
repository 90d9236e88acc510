// stdintick reads standard input in one goroutine while another one ticks. On a runtime whose reads
// stop the whole guest there are no ticks before the last line has come. With an argument it says that it ticked,
// for whoever writes the next line only then.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func main() {
	lines := make(chan string)
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	ticks, between := 0, 0
	for {
		select {
		case <-ticker.C:
			if ticks++; ticks == 10 && len(os.Args) > 1 {
				fmt.Println("ticks")
			}
		case line, ok := <-lines:
			if !ok {
				fmt.Println("end, waits with ticks:", between)
				return
			}
			if ticks >= 10 {
				between++
			}
			ticks = 0
			fmt.Println("line", line)
		}
	}
}
