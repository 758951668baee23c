package limit_test

import (
	"fmt"
	"time"

	"github.com/oubli/oubli/internal/limit"
)

// Each caller has a bucket of its own: one caller that sends too much does not
// slow down the others.
func ExampleLimiter_Take() {
	perMinute := limit.New(1.0/60, 3) // one request a minute, three at once
	for range 4 {
		if wait := perMinute.Take("busy", 1); wait > 0 {
			fmt.Println("wait", wait.Round(time.Minute))
			continue
		}
		fmt.Println("served")
	}
	fmt.Println("somebody else waits:", perMinute.Take("other", 1) > 0)
	// Output:
	// served
	// served
	// served
	// wait 1m0s
	// somebody else waits: false
}

// Network peers are counted by address. Of an IPv6 address only the first half
// counts, because one customer of a provider has all addresses below it.
func ExampleAddress() {
	fmt.Println(limit.Address("192.0.2.7:4711"))
	fmt.Println(limit.Address("[2001:db8:1:2::7]:4711"))
	// Output:
	// 192.0.2.7
	// 2001:db8:1:2::/64
}
