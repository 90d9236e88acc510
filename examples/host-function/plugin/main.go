// The plugin asks its host for settings by a function of the host's own.
package main

import (
	"fmt"
	"unsafe"
)

// The host writes the value to `to`, as far as it fits into `room` bytes, and gives its length; -1: there is none.
//
//go:wasmimport settings get
func settingsGet(name unsafe.Pointer, nameLen uint32, to unsafe.Pointer, room uint32) int32

func setting(name string) (string, bool) {
	buf := make([]byte, 64)
	for {
		n := settingsGet(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(&buf[0]), uint32(len(buf)))
		if n < 0 {
			return "", false
		}
		if int(n) <= len(buf) {
			return string(buf[:n]), true
		}
		buf = make([]byte, n)
	}
}

func main() {
	for _, name := range []string{"colour", "motto", "secret"} {
		value, ok := setting(name)
		fmt.Printf("%s: %q %v\n", name, value, ok)
	}
}
