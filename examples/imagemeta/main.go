// Imagemeta reads a PNG or JPEG picture and prints its size and format:
//
//	imagemeta < picture.png
//	imagemeta picture.png photo.jpg
//
// It needs nothing but standard input, unless it is given names of files.
package main

import (
	"bufio"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"strconv"
)

func describe(r io.Reader) (string, error) {
	config, format, err := image.DecodeConfig(bufio.NewReader(r))
	if err != nil {
		return "", err
	}
	return `{"width":` + strconv.Itoa(config.Width) + `,"height":` + strconv.Itoa(config.Height) +
		`,"format":` + strconv.Quote(format) + "}\n", nil
}

func describeFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return describe(f)
}

func main() {
	failed := false
	report := func(text string, err error) {
		if err != nil {
			os.Stderr.WriteString("imagemeta: " + err.Error() + "\n")
			failed = true
			return
		}
		os.Stdout.WriteString(text)
	}
	if len(os.Args) < 2 {
		report(describe(os.Stdin))
	}
	for _, name := range os.Args[1:] {
		report(describeFile(name))
	}
	if failed {
		os.Exit(1)
	}
}
