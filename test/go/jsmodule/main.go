//go:build js

// jsmodule is built for the browser.
package main

func main() { println("in a browser") }
