// The plugin: a plain Go program.
package main

import (
	"fmt"
	"os"
)

func main() {
	_, err := os.ReadFile("/etc/passwd")
	fmt.Println("hello from the plugin; reading /etc/passwd:", err)
}
