// The functions of the runtime that random.go declares have their bodies there.
