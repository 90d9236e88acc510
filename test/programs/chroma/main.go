// chroma LANGUAGE FORMAT STYLE: highlight the source on standard input.
package main

import (
	"io"
	"log"
	"os"

	"github.com/alecthomas/chroma/v2/quick"
)

func main() {
	source, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = quick.Highlight(os.Stdout, string(source), os.Args[1], os.Args[2], os.Args[3])
	}
	if err != nil {
		log.Fatal(err)
	}
}
