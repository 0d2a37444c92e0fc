/* The acceptance scenarios in C: the same workflows as tests/guests/scenarios has in Rust. */
#include <sandglass.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_CANCEL SANDGLASS_WORKFLOW_TYPES_CANCELLATION_TYPE_TRY_CANCEL
#define ABANDON SANDGLASS_WORKFLOW_TYPES_CANCELLATION_TYPE_ABANDON

/* An activity with one attempt. */
static sg_call once(const char *type) {
  sg_call call = sg_activity(type);
  call.maximum_attempts = 1;
  return call;
}

static sg_call work(uint8_t cancellation) {
  sg_call call = once("Work");
  call.heartbeat = 2 * SG_SECOND;
  call.cancellation = cancellation;
  return call;
}

static sg_failure *cleaned(void) {
  uint32_t scope = sg_enter_detached();
  sg_call call = once("Cleanup");
  sg_failure *failure = sg_run(&call, NULL);
  sg_leave(scope);
  return failure;
}

static sg_failure *a01(sg_arguments arguments, char **result) {
  (void)arguments, (void)result;
  sg_log("main was entered");
  return sg_sleep(SG_HOUR);
}

static sg_failure *a04(sg_arguments arguments, char **result) {
  (void)arguments;
  uint32_t scope = sg_enter_shielded();
  sg_failure *failure = sg_sleep(2 * SG_SECOND);
  sg_leave(scope);
  if (!failure) *result = strdup("\"ok\"");
  return failure;
}

static sg_failure *a04_then_sleep(sg_arguments arguments, char **result) {
  sg_failure *failure = a04(arguments, result);
  return failure ? failure : sg_sleep(SG_SECOND);
}

static sg_failure *a05(sg_arguments arguments, char **result) {
  (void)arguments, (void)result;
  sg_failure *failure = sg_sleep(SG_HOUR);
  if (failure && sg_is_canceled(failure)) {
    sg_failure *left = cleaned();
    if (left) {
      sg_free(failure);
      return left;
    }
  }
  return failure;
}

static sg_failure *a06(sg_arguments arguments, char **result) {
  (void)arguments;
  sg_failure *failure = sg_sleep(SG_HOUR);
  if (!failure) {
    *result = strdup("\"slept\"");
    return NULL;
  }
  if (!sg_is_canceled(failure)) return failure;
  sg_free(failure);
  failure = cleaned();
  if (!failure) *result = strdup("\"cleaned\"");
  return failure;
}

static sg_failure *a07(sg_arguments arguments, char **result) {
  (void)arguments, (void)result;
  uint32_t scope = sg_enter_scope();
  sg_call call = work(TRY_CANCEL);
  sg_operation all[4];
  all[0] = sg_start(&call);
  all[1] = sg_start_timer(SG_HOUR);
  all[2] = sg_start(&call);
  all[3] = sg_start_timer(SG_HOUR);
  sg_failure *failure = NULL;
  for (int i = 0; i < 4 && !failure; i++) failure = sg_wait(all[i], NULL);
  sg_leave(scope);
  return failure;
}

static sg_failure *a08(sg_arguments arguments, char **result) {
  (void)arguments;
  sg_call call = work(0);
  sg_failure *failure = sg_run(&call, result);
  if (failure) {
    char *activity = sg_failed_activity(failure), *details = sg_details(failure);
    sg_log("activity failure: %s, caused by a cancellation: %s, details: %s%s%s",
           activity && !strcmp(activity, "Work") ? "true" : "false",
           sg_is_canceled(failure) ? "true" : "false", details ? "Some(" : "None",
           details ? details : "", details ? ")" : "");
    free(activity);
    free(details);
  }
  return failure;
}

static sg_failure *a09(sg_arguments arguments, char **result) {
  (void)arguments;
  sg_call call = once("Swallow");
  call.heartbeat = 2 * SG_SECOND;
  return sg_run(&call, result);
}

static sg_failure *a10(sg_arguments arguments, char **result) {
  (void)arguments;
  sg_call call = once("Deaf");
  call.cancellation = ABANDON;
  return sg_run(&call, result);
}

/* The text of a JSON string without escapes, as the ids of the scenarios are. */
static char *plain(char *json) {
  size_t length = json ? strlen(json) : 0;
  if (length < 2) return json;
  memmove(json, json + 1, length - 2);
  json[length - 2] = 0;
  return json;
}

static sg_failure *a13(sg_arguments arguments, char **result) {
  char *id = plain(sg_argument(arguments, 0));
  sg_child child = {.type = "a01", .workflow_id = id};
  sg_operation begun = sg_start_child(&child);
  char *run_id = sg_wait_start(begun);
  sg_log("started: %s", run_id ? "true" : "false");
  free(run_id);
  free(id);
  return sg_wait(begun, result);
}

static sg_failure *step(const char *type, const char *undo, uint64_t heartbeat) {
  sg_call call = once(type), undone = once(undo);
  call.heartbeat = heartbeat;
  sg_operation begun = sg_start(&call);
  sg_compensate(begun, &undone);
  return sg_wait(begun, NULL);
}

static sg_failure *a21(sg_arguments arguments, char **result) {
  (void)arguments, (void)result;
  sg_failure *failure = step("A", "a", 0);
  if (!failure) failure = step("B", "b", 0);
  if (!failure) failure = step("C", "c", 2 * SG_SECOND);
  return failure;
}

static sg_failure *a21_then_sleep(sg_arguments arguments, char **result) {
  sg_failure *failure = a21(arguments, result);
  return failure ? failure : sg_sleep(SG_SECOND);
}

static const char *raised(sg_failure *failure) {
  const char *was = failure && sg_is_canceled(failure) ? "true" : "false";
  sg_free(failure);
  return was;
}

static sg_failure *a24(sg_arguments arguments, char **result) {
  (void)arguments, (void)result;
  sg_call call = work(TRY_CANCEL);
  sg_operation first = sg_start(&call), second = sg_start(&call);
  sg_failure *never = sg_signal("never", NULL);
  sg_log("condition raised: %s", never && sg_is_canceled(never) ? "true" : "false");
  sg_log("a1 raised: %s", raised(sg_wait(first, NULL)));
  sg_log("a2 raised: %s", raised(sg_wait(second, NULL)));
  return never;
}

/* Adds what updates bring until one brings a negative number; a query tells the sum. */
static sg_failure *teller(sg_arguments arguments, char **result) {
  (void)arguments;
  const char *const names[] = {"add"};
  sg_handle_updates(names, 1);
  char text[32] = "0";
  for (long sum = 0;;) {
    sg_answer("sum", text);
    sg_update update;
    sg_failure *failure = sg_next_update(&update);
    if (failure) return failure;
    if (strcmp(update.name, "add")) {
      sg_complete_update(&update, sg_fail("UnknownUpdate", "there is only add"), NULL);
      continue;
    }
    long more = update.argument ? atol(update.argument) : 0;
    if (!more) {
      sg_complete_update(&update, sg_fail("Nothing", "nothing to add"), NULL);
      continue;
    }
    if (more > 0) sum += more;
    snprintf(text, sizeof text, "%ld", sum);
    sg_complete_update(&update, NULL, text);
    if (more < 0) break;
  }
  *result = strdup(text);
  return NULL;
}

/* Counts signals until `"end"`, each within a day; begins anew after three. */
static sg_failure *collector(sg_arguments arguments, char **result) {
  char *before = sg_argument(arguments, 0);
  long count = before ? atol(before) : 0;
  free(before);
  char text[32];
  for (int turn = 0;; turn++) {
    snprintf(text, sizeof text, "%ld", count);
    sg_answer("count", text);
    char *note;
    if (turn < 3) {
      sg_failure *failure = sg_signal("note", &note);
      if (failure) return failure;
    } else if (!sg_try_signal("note", &note)) {
      /* All that has come is counted. */
      break;
    }
    bool is_last = note && !strcmp(note, "\"end\"");
    free(note);
    if (is_last) {
      *result = strdup(text);
      return NULL;
    }
    count++;
  }
  sg_continue_as_new(text);
  return NULL;
}

/* The first of a timer and an activity. */
static sg_failure *races(sg_arguments arguments, char **result) {
  (void)arguments;
  sg_call call = work(TRY_CANCEL);
  sg_operation all[] = {sg_start(&call), sg_start_timer(SG_SECOND)};
  size_t first = sg_wait_any(all, 2);
  sg_cancel(all[1 - first]);
  sg_free(sg_wait(all[1 - first], NULL));
  *result = strdup(first ? "\"the timer\"" : "\"the activity\"");
  return sg_wait(all[first], NULL);
}

/* Takes an outcome twice, which no code may. */
static sg_failure *greedy(sg_arguments arguments, char **result) {
  (void)arguments, (void)result;
  sg_operation timer = sg_start_timer(SG_SECOND);
  sg_free(sg_wait(timer, NULL));
  return sg_wait(timer, NULL);
}

/* Never waits. */
static sg_failure *spins(sg_arguments arguments, char **result) {
  (void)arguments, (void)result;
  for (volatile uint64_t turn = 0;; turn++)
    ;
}

SG_WORKFLOWS(
    {"a01", a01}, {"a04", a04}, {"a04_then_sleep", a04_then_sleep}, {"a05", a05}, {"a06", a06},
    {"a07", a07}, {"a08", a08}, {"a09", a09}, {"a10", a10}, {"a13", a13}, {"a21", a21},
    {"a21_then_sleep", a21_then_sleep}, {"a24", a24}, {"teller", teller}, {"collector", collector},
    {"races", races}, {"greedy", greedy}, {"spins", spins})
