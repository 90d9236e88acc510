// Does not end, some calls deep.
package main

import "fmt"

type box struct{ n int }

//go:noinline
func (b *box) leaf() {
	for {
		b.n++
		if b.n < 0 {
			fmt.Println(b.n)
		}
	}
}

//go:noinline
func middle(b *box) {
	b.leaf()
}

func main() {
	b := &box{}
	middle(b)
}
