/* Workflows that are functions with types of their own, calling activities that are such functions.
 *
 * `untyped` does what `run-order` does by the calls of the SDK. */
#include <sandglass.h>
#include <stdlib.h>

#include "generated/orders.h"

bool exports_orders_run_order(orders_order_t *order, orders_receipt_t *ret,
                              orders_card_error_t *err) {
  return shop_payments_cards_charge(order, ret, err);
}

bool exports_orders_hasty_order(orders_order_t *order, orders_receipt_t *ret,
                                orders_card_error_t *err) {
  uint32_t scope = sg_enter_timeout(SG_SECOND);
  bool charged = shop_payments_cards_charge(order, ret, err);
  sg_leave(scope);
  return charged;
}

bool exports_orders_undone_order(orders_order_t *order, uint64_t *ret, orders_string_t *err) {
  orders_receipt_t receipt;
  orders_card_error_t failure;
  bool charged = shop_payments_cards_charge(order, &receipt, &failure);
  /* Also if the run is canceled: outside of the scope that cancellation reaches. */
  uint32_t scope = sg_enter_detached();
  bool refunded = shop_payments_cards_refund(charged ? receipt.charge : 0, ret, err);
  sg_leave(scope);
  return refunded;
}

uint32_t exports_orders_balances(void) { return shop_payments_cards_balance(); }

bool exports_orders_works(uint32_t *ret, orders_string_t *err) { return orders_work(ret, err); }

void exports_orders_mirrored(orders_everything_t *all, orders_everything_t *ret) {
  shop_payments_mirror_echo(all, ret);
}

static sg_failure *untyped(sg_arguments arguments, char **result) {
  sg_call call = sg_activity("shop:payments/cards.charge");
  call.argument = sg_argument(arguments, 0);
  call.start_to_close = 5 * SG_SECOND;
  call.maximum_attempts = 3;
  return sg_run(&call, result);
}

/* A run that nobody has checked the input of: 1 is no text. */
static sg_failure *parent(sg_arguments arguments, char **result) {
  (void)arguments;
  sg_child child = {.type = "run-order", .argument = "{\"id\": 1, \"items\": []}"};
  return sg_wait(sg_start_child(&child), result);
}

SG_WORKFLOWS({"untyped", untyped}, {"parent", parent})
