//go:build wasip1

// unknownimport imports functions that no host provides.
package main

//go:wasmimport env metrics_emit
func metricsEmit(name string, value float64) int32

//go:wasmimport telemetry span_end
func spanEnd(id uint64)

func main() {
	println(metricsEmit("requests", 1))
	spanEnd(7)
}
