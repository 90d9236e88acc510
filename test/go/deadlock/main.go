// deadlock waits for what nobody will send.
package main

import (
	"fmt"
	"os"
	"sync"
)

func main() {
	fmt.Println("waiting")
	if len(os.Args) > 1 {
		var wg sync.WaitGroup
		wg.Add(1)
		go func() { select {} }()
		wg.Wait()
	}
	<-make(chan int)
}
