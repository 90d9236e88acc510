// Package linker has a test that puts a link where its coverage is to be written.
package linker

// Two is here to be covered.
func Two() int { return 2 }
