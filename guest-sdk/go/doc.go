// Package sandglass is for durable workflows in Go.
//
// A workflow is a function. It starts goroutines, waits for channels, asks for the time, iterates
// over maps; the host records what it does and what it is told, and repeats that after a crash until
// the function is where it was. What touches the world is done by activities.
//
//	var charge = sandglass.Activity[Receipt]{Name: "charge", StartToClose: 10 * time.Second}
//
//	func order(ctx context.Context, order Order) (Receipt, error) {
//		if err := sandglass.Sleep(ctx, time.Hour); err != nil {
//			return Receipt{}, err
//		}
//		return charge.Call(ctx, order)
//	}
//
//	func main() {
//		sandglass.Register("order", order)
//	}
//
// # Cancellation
//
// The context that a workflow is given is done when somebody has asked for its cancellation, and so
// are the contexts that are made of it; context.Cause tells by whom and why. What was called with
// such a context ends with an error that is context.Canceled to errors.Is. Cleanup takes a context of
// [Shielded] or [Detached].
//
// # What is the run's, and what is not there
//
// time.Now, time.Sleep, timers and deadlines of package time and context go by the run's clock and
// are durable; math/rand, crypto/rand, the order of maps and the choices of select are drawn from the
// run's seed; fmt.Println, log and log/slog write to the run's log. There are no files, sockets,
// arguments or variables of an environment. Finalizers and runtime.AddCleanup must not issue
// commands.
package sandglass
