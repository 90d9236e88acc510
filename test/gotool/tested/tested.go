// Package tested is what tests need of the machine they run on.
package tested

// Add has a branch, for coverage.
func Add(a, b int) int {
	if a == 0 {
		return b
	}
	return a + b
}
