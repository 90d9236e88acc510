//go:build ignore

// Make writes the pictures of the example: go run make.go
package main

import (
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"log"
	"os"
)

// paint fills m with a gradient, so that no row equals the next.
func paint(m draw.Image) draw.Image {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			m.Set(x, y, color.RGBA{uint8(x * 5), uint8(y * 7), uint8(x + y), 255})
		}
	}
	return m
}

func write(name string, encode func(io.Writer) error) {
	f, err := os.Create(name)
	if err == nil {
		err = encode(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	pngs := map[string]draw.Image{
		"dot.png":   image.NewGray(image.Rect(0, 0, 1, 1)),
		"rgba.png":  image.NewNRGBA(image.Rect(0, 0, 64, 48)),
		"deep.png":  image.NewRGBA64(image.Rect(0, 0, 20, 31)),
		"index.png": image.NewPaletted(image.Rect(0, 0, 100, 7), palette.WebSafe),
	}
	for name, m := range pngs {
		write(name, func(w io.Writer) error { return png.Encode(w, paint(m)) })
	}
	jpegs := map[string]draw.Image{
		"gray.jpg":  image.NewGray(image.Rect(0, 0, 33, 17)),
		"photo.jpg": image.NewRGBA(image.Rect(0, 0, 320, 200)),
	}
	for name, m := range jpegs {
		write(name, func(w io.Writer) error { return jpeg.Encode(w, paint(m), &jpeg.Options{Quality: 40}) })
	}
}
