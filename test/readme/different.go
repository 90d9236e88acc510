// Makes a file that is not there yet: the second run finds what the first one made.
package main

import (
	"fmt"
	"os"
)

func main() {
	if _, err := os.ReadFile("data/made"); err != nil {
		fmt.Println("made")
		os.WriteFile("data/made", []byte("made"), 0o666)
	}
}
