// hello greets whom the environment names.
package main

import (
	"fmt"
	"os"
)

func main() {
	who, ok := os.LookupEnv("WHO")
	if !ok {
		who = "nobody"
	}
	fmt.Printf("hello, %s\n", who)
}
