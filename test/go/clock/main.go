// clock checks that time goes on, forward, at the right date, and that zones and formats work.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

func main() {
	lo, _ := strconv.ParseInt(os.Args[1], 10, 64)
	now := time.Now()
	fmt.Println("date:", now.Unix() >= lo && now.Unix() < lo+3600)
	last := now
	backwards, moved := 0, 0
	for i := 0; i < 20000; i++ {
		t := time.Now()
		if t.Before(last) {
			backwards++
		}
		if t.After(last) {
			moved++
		}
		last = t
	}
	fmt.Println("backwards:", backwards, "moves:", moved > 10)
	wall, mono := now.Round(0), time.Since(now)
	time.Sleep(30 * time.Millisecond)
	a, b := time.Now().Round(0).Sub(wall), time.Since(now)
	fmt.Println("both clocks agree:", mono >= 0 && (a-b).Abs() < time.Second && b >= 30*time.Millisecond)
	fmt.Println("zone:", time.Unix(0, 0).Local().Format(time.RFC3339))
	t, err := time.Parse(time.RFC3339Nano, "2024-02-29T12:34:56.789012345+02:00")
	fmt.Println(t.UTC(), err, t.Weekday(), t.YearDay(), t.AddDate(1, 0, 0).UTC().Format(time.ANSIC), t.Truncate(time.Hour).UTC().Format(time.Kitchen))
	_, err = time.Parse(time.DateOnly, "2023-02-29")
	fmt.Println(err)
	d, err := time.ParseDuration("1h15m30.918s")
	fmt.Println(d, err, d.Round(time.Minute), d.Hours() > 1.25)
	seen := map[uint64]bool{}
	for i := 0; i < 1000; i++ {
		seen[rand.Uint64()] = true
	}
	fmt.Println("random:", len(seen))
}
