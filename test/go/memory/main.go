// memory allocates much memory in the way its argument names.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

var keep [][]byte

func main() {
	mib := 64
	if len(os.Args) > 2 {
		mib, _ = strconv.Atoi(os.Args[2])
	}
	switch os.Args[1] {
	case "one":
		// One block, touched at both ends of each page.
		b := make([]byte, mib<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i], b[i+4095] = byte(i>>12), 1
		}
		sum := 0
		for i := 0; i < len(b); i += 2048 {
			sum += int(b[i])
		}
		fmt.Println(len(b)>>20, sum)
	case "zero":
		// Memory that comes back from the collector must be clean.
		for i := 0; i < 40; i++ {
			b := make([]byte, mib<<20)
			for j := 0; j < len(b); j += 1 << 12 {
				if b[j] != 0 {
					fmt.Println("dirty", i, j)
					os.Exit(1)
				}
				b[j] = 0xff
			}
		}
		fmt.Println("clean")
	case "free":
		for i := 0; i < 20; i++ {
			keep = append(keep, make([]byte, 4<<20))
		}
		keep = nil
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Println("freed:", m.HeapAlloc < 8<<20, m.NumGC > 0)
	case "forever":
		fmt.Println("filling")
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			keep = append(keep, b)
		}
	case "huge":
		fmt.Println("asking")
		keep = append(keep, make([]byte, mib<<20))
	}
}
