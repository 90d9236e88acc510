;; Wants 100 pages, 6.25 MiB, at once.
(module (memory (export "memory") 100) (func (export "_start")))
