// Does what its words say with what is noted of a guest: variables, listening, processors.
package main

import (
	"net"
	"os"
	"runtime"
)

func main() {
	for _, word := range os.Args[1:] {
		switch word {
		case "listen":
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				os.Exit(3)
			}
			l.Close()
		case "cores":
			runtime.GOMAXPROCS(0)
		case "many":
			for range 20000 {
				os.Getenv("MANY")
				runtime.GOMAXPROCS(0)
			}
		default:
			os.Getenv(word)
		}
	}
}
