;; Exports nothing that could be called, and wants a memory.
(module (import "env" "memory" (memory 3)))
