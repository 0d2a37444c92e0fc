//! Works off a file of orders, as examples/order-saga does in Rust. Each is reserved, charged and
//! shipped, or undone in reverse; a canceled run undoes them all.

import { cancellable, compensate, isCancellation, proxyActivities } from "sandglass";

/** One order, a line of the orders file. */
interface Order {
  id: string;
  customer: string;
  card: string;
  cents: number;
  items: { sku: string; quantity: number }[];
  parcels: number;
}

/** The shop's activities: those of examples/order-saga. */
interface Shop {
  read_orders(file: string): Promise<Order[]>;
  reserve(order: Order): Promise<void>;
  release(order: Order): Promise<void>;
  charge(order: Order): Promise<void>;
  refund(order: Order): Promise<void>;
  recall(order: Order): Promise<void>;
}

/** Shipping takes long and says how far it has come. */
interface Shipping {
  ship(order: Order): Promise<void>;
}

const { read_orders, reserve, release, charge, refund, recall } = proxyActivities<Shop>({
  startToCloseTimeout: "10s",
});
const { ship } = proxyActivities<Shipping>({
  startToCloseTimeout: "10m", heartbeatTimeout: "5s",
});

/** What became of a file of orders. */
interface Report {
  /** Orders on their way to the customer. */
  shipped: string[];
  /** Orders that could not be fulfilled, with the reason. Nothing of them is left. */
  refused: [string, string][];
}

/** Works off the orders of `file`, one after another. */
export async function fulfill_orders(file: string): Promise<Report> {
  const report: Report = { shipped: [], refused: [] };
  for (const order of await read_orders(file)) {
    try {
      await cancellable(() => fulfill(order));
      report.shipped.push(order.id);
    } catch (error) {
      // Canceled: the host now runs every compensation registered so far, newest first.
      if (isCancellation(error) || !(error instanceof Error)) throw error;
      const reason = error.cause instanceof Error ? error.cause : error;
      report.refused.push([order.id, reason.message]);
    }
  }
  return report;
}

/** Takes one order through all its steps. If one fails, undoes those before it. */
async function fulfill(order: Order): Promise<void> {
  try {
    // Each step says how it is undone, before it is known how it went.
    await reserve(order).compensatedBy(release.prepare(order));
    await charge(order).compensatedBy(refund.prepare(order));
    await ship(order).compensatedBy(recall.prepare(order));
  } catch (error) {
    if (!isCancellation(error)) await compensate();
    throw error;
  }
}
