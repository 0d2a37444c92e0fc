// Works off a file of orders. Each is reserved, charged and shipped, or undone in reverse; a canceled run
// undoes them all. The activities are those of examples/order-saga, in Rust.
package main

import (
	"context"
	"errors"
	"time"

	"sandglass"
)

// Item is what is ordered, and how many.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Order is one order, a line of the orders file.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Card     string `json:"card"`
	Cents    int    `json:"cents"`
	Items    []Item `json:"items"`
	Parcels  int    `json:"parcels"`
}

// Report is what became of a file of orders.
type Report struct {
	// Orders on their way to the customer.
	Shipped []string `json:"shipped"`
	// Orders that could not be fulfilled, with the reason. Nothing of them is left.
	Refused [][2]string `json:"refused"`
}

const short = 10 * time.Second

var (
	readOrders = sandglass.Activity[[]Order]{Name: "read_orders", StartToClose: short}
	reserve    = sandglass.Activity[struct{}]{Name: "reserve", StartToClose: short}
	release    = sandglass.Activity[struct{}]{Name: "release", StartToClose: short}
	charge     = sandglass.Activity[struct{}]{Name: "charge", StartToClose: short}
	refund     = sandglass.Activity[struct{}]{Name: "refund", StartToClose: short}
	// Packs the order parcel by parcel and hands it over.
	ship   = sandglass.Activity[struct{}]{Name: "ship", StartToClose: 10 * time.Minute, Heartbeat: 5 * time.Second}
	recall = sandglass.Activity[struct{}]{Name: "recall", StartToClose: short}
)

func main() {
	sandglass.Register("fulfill_orders", fulfillOrders)
}

// fulfillOrders works off the orders of a file, one after another.
func fulfillOrders(ctx context.Context, file string) (Report, error) {
	report := Report{Shipped: []string{}, Refused: [][2]string{}}
	orders, err := readOrders.Call(ctx, file)
	if err != nil {
		return report, err
	}
	for _, order := range orders {
		var failure *sandglass.Failure
		switch err := fulfill(ctx, order); {
		case err == nil:
			report.Shipped = append(report.Shipped, order.ID)
		// A cancellation is returned: the host then runs every compensation, newest first.
		case sandglass.IsCancellation(err) || !errors.As(err, &failure) || failure.Cause() == nil:
			return report, err
		default:
			report.Refused = append(report.Refused, [2]string{order.ID, failure.Cause().Message()})
		}
	}
	return report, nil
}

// fulfill takes one order through all its steps. If one fails, it undoes those before it.
func fulfill(ctx context.Context, order Order) error {
	ctx, scope := sandglass.WithScope(ctx)
	defer scope.Close()
	err := steps(ctx, order)
	if err != nil && !sandglass.IsCancellation(err) {
		err = errors.Join(err, sandglass.Compensate(ctx))
	}
	return err
}

// steps says of each step how it is undone, before it is known how it goes.
func steps(ctx context.Context, order Order) error {
	if err := reserve.CompensatedBy(release.With(order)).Do(ctx, order); err != nil {
		return err
	}
	if err := charge.CompensatedBy(refund.With(order)).Do(ctx, order); err != nil {
		return err
	}
	return ship.CompensatedBy(recall.With(order)).Do(ctx, order)
}
