// The plugin tells what it was granted.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("hello", os.Getenv("TENANT"))
	for _, name := range []string{"/data/notes.txt", "/tmp/cache", "/data/../../alice/notes.txt"} {
		text, err := os.ReadFile(name)
		fmt.Printf("  read %s: %q %v\n", name, text, err)
	}
	fmt.Println("  write /data/new.txt:", os.WriteFile("/data/new.txt", []byte("new"), 0o600))
	fmt.Println("  write /tmp/cache:", os.WriteFile("/tmp/cache", make([]byte, 1<<20), 0o600))
}
