// gojq QUERY: run a query of jq over the JSON values on standard input.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/itchyny/gojq"
)

func main() {
	query, err := gojq.Parse(os.Args[1])
	check(err)
	code, err := gojq.Compile(query, gojq.WithEnvironLoader(os.Environ))
	check(err)
	for in := json.NewDecoder(os.Stdin); ; {
		var value any
		if err := in.Decode(&value); err == io.EOF {
			return
		} else {
			check(err)
		}
		for results := code.Run(value); ; {
			result, ok := results.Next()
			if !ok {
				break
			}
			if err, failed := result.(error); failed {
				check(err)
			}
			text, err := gojq.Marshal(result)
			check(err)
			fmt.Printf("%s\n", text)
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gojq:", err)
		os.Exit(5)
	}
}
