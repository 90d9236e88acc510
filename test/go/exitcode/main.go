// exitcode ends with the status it is given, after writing to both streams and with work left over.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	code, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	defer fmt.Println("never printed")
	go func() {
		time.Sleep(time.Hour)
	}()
	fmt.Println("leaving")
	os.Exit(code)
}
