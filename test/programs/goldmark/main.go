// goldmark: turn the Markdown on standard input into HTML.
package main

import (
	"io"
	"log"
	"os"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

func main() {
	source, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote)).Convert(source, os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}
