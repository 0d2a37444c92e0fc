/* Works off a file of orders. Each is reserved, charged and shipped, or undone in reverse; a canceled run
 * undoes them all. The activities are those of examples/order-saga, in Rust.
 *
 * An order is a JSON text that goes from one activity to the next as it is: all that is read of it here is
 * its id. */
#include <sandglass.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON, as far as it is needed ---- */

/* A text that grows. */
typedef struct {
  char *text;
  size_t length;
} buffer;

static void append(buffer *to, const char *text, size_t length) {
  to->text = realloc(to->text, to->length + length + 1);
  if (!to->text) abort();
  memcpy(to->text + to->length, text, length);
  to->length += length;
  to->text[to->length] = 0;
}

static void add(buffer *to, const char *text) { append(to, text, strlen(text)); }

/* A text as a JSON string. */
static void add_string(buffer *to, const char *text) {
  add(to, "\"");
  for (; *text; text++) {
    char escaped[8];
    if (*text == '"' || *text == '\\')
      snprintf(escaped, sizeof escaped, "\\%c", *text);
    else if ((unsigned char)*text < ' ')
      snprintf(escaped, sizeof escaped, "\\u%04x", *text);
    else
      snprintf(escaped, sizeof escaped, "%c", *text);
    add(to, escaped);
  }
  add(to, "\"");
}

/* The end of a value: the comma, bracket or brace that follows it. */
static const char *end_of_value(const char *at) {
  int depth = 0, in_string = 0;
  for (; *at; at++) {
    if (in_string) {
      if (*at == '\\' && at[1]) at++;
      else if (*at == '"') in_string = 0;
      continue;
    }
    if (*at == '"') in_string = 1;
    else if (*at == '[' || *at == '{') depth++;
    else if ((*at == ']' || *at == '}') && depth-- == 0) return at;
    else if (*at == ',' && depth == 0) return at;
  }
  return at;
}

/* The next item of a list, malloc()ed, or NULL; `at` is before it, and then behind it. */
static char *next_item(const char **at) {
  const char *from = *at + strspn(*at, "[, \n\t\r");
  if (!*from || *from == ']') return NULL;
  *at = end_of_value(from);
  return strndup(from, *at - from);
}

/* The member of an object, as a JSON text, malloc()ed; NULL if it is not there. */
static char *member(const char *object, const char *name) {
  const char *at = object + strspn(object, "{ \n\t\r");
  while (*at == '"') {
    const char *name_end = strchr(at + 1, '"');
    if (!name_end) return NULL;
    const char *value = name_end + 1 + strspn(name_end + 1, ": \n\t\r"), *end = end_of_value(value);
    if ((size_t)(name_end - at - 1) == strlen(name) && !strncmp(at + 1, name, strlen(name)))
      return strndup(value, end - value);
    at = end + strspn(end, ", \n\t\r");
  }
  return NULL;
}

/* ---- The workflow ---- */

static sg_call step(const char *type, const char *order) {
  sg_call call = sg_activity(type);
  call.start_to_close = 10 * SG_SECOND;
  call.argument = order;
  return call;
}

/* Says how the step is undone, before it is known how it goes. */
static sg_failure *run_step(sg_call call, const char *undo) {
  sg_call undoing = step(undo, call.argument);
  sg_operation running = sg_start(&call);
  sg_compensate(running, &undoing);
  return sg_wait(running, NULL);
}

/* Takes one order through all its steps. If one fails, undoes those before it. */
static sg_failure *fulfill(const char *order) {
  uint32_t scope = sg_enter_scope();
  sg_failure *failure = run_step(step("reserve", order), "release");
  if (!failure) failure = run_step(step("charge", order), "refund");
  if (!failure) {
    /* Packs the order parcel by parcel and hands it over. */
    sg_call ship = step("ship", order);
    ship.start_to_close = 10 * SG_MINUTE;
    ship.heartbeat = 5 * SG_SECOND;
    failure = run_step(ship, "recall");
  }
  if (failure && !sg_is_canceled(failure)) {
    sg_failure *left = sg_undo();
    if (left) {
      sg_free(failure);
      failure = left;
    }
  }
  sg_leave(scope);
  return failure;
}

/* Works off the orders of a file, one after another. */
static sg_failure *fulfill_orders(sg_arguments arguments, char **result) {
  char *file = sg_argument(arguments, 0), *orders = NULL;
  sg_call reading = step("read_orders", file);
  sg_failure *failure = sg_run(&reading, &orders);
  free(file);
  if (failure) return failure;
  buffer shipped = {0}, refused = {0};
  const char *at = orders;
  for (char *order; !failure && (order = next_item(&at)); free(order)) {
    char *id = member(order, "id");
    failure = fulfill(order);
    if (!failure) {
      add(&shipped, shipped.length ? "," : "");
      add(&shipped, id);
    } else if (!sg_is_canceled(failure)) {
      char *reason = sg_cause_message(failure);
      add(&refused, refused.length ? ",[" : "[");
      add(&refused, id);
      add(&refused, ",");
      add_string(&refused, reason);
      add(&refused, "]");
      free(reason);
      sg_free(failure);
      failure = NULL;
    } /* A cancellation is returned: the host then runs every compensation, newest first. */
    free(id);
  }
  free(orders);
  if (!failure) {
    buffer report = {0};
    add(&report, "{\"shipped\":[");
    add(&report, shipped.length ? shipped.text : "");
    add(&report, "],\"refused\":[");
    add(&report, refused.length ? refused.text : "");
    add(&report, "]}");
    *result = report.text;
  }
  free(shipped.text);
  free(refused.text);
  return failure;
}

SG_WORKFLOWS({"fulfill_orders", fulfill_orders})
