// Package deep lies below the module's root.
package deep

// One is here to be covered.
func One() int { return 1 }
