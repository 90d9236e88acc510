package main

import (
	"os"
	"testing"
)

func TestReads(t *testing.T) {
	if _, err := os.ReadFile("go.mod"); err != nil {
		t.Fatal(err)
	}
}
