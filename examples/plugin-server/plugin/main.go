// The plugin: one request on standard input, one reply on standard output, then it ends. It knows nothing of
// the host, and runs natively too: echo '{"id":1,"words":["a"]}' | go run .
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
)

type request struct {
	ID    int      `json:"id"`
	Words []string `json:"words"`
	Do    string   `json:"do"`
}

func main() {
	var r request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	switch r.Do {
	case "loop":
		for {
		}
	case "eat":
		var all [][]byte
		for {
			all = append(all, make([]byte, 1<<20))
		}
	}
	sort.Strings(r.Words)
	fmt.Printf(`{"id":%d,"joined":%q}`+"\n", r.ID, strings.Join(r.Words, " "))
}
