package main

import "sync"

type rwlocker struct{ sync.Mutex }
