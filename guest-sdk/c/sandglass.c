/* The helper of sandglass.h: nothing but the contract's own calls, with C's texts. */
#include "sandglass.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef sandglass_workflow_types_failure_t failure_t;
typedef sandglass_workflow_types_failure_link_t link_t;
typedef sandglass_workflow_types_payload_t payload_t;
typedef blocking_workflow_string_t string_t;

struct sg_failure {
  failure_t chain;
  /* The outermost message, ended by a zero byte. */
  char *message;
};

extern const sg_entry sg_entries[];
extern const size_t sg_entries_count;

/* The innermost scope that is entered. */
static uint32_t current = 0;
/* The scopes around it. */
static uint32_t around[64];
static size_t depth = 0;

/* Traps. The workflow task fails with this message, and the run waits for code that does better. */
static _Noreturn void stop(const char *message);

/* ---- Texts ---- */

static void *take(size_t size) {
  void *bytes = malloc(size ? size : 1);
  if (!bytes) abort();
  return bytes;
}

/* A text that is only lent for a call. */
static string_t lent(const char *text) {
  return (string_t){(uint8_t *)text, text ? strlen(text) : 0};
}

static string_t owned(const char *text) {
  string_t copy = lent(text);
  copy.ptr = take(copy.len);
  memcpy(copy.ptr, text, copy.len);
  return copy;
}

static char *text_of(const uint8_t *bytes, size_t length) {
  char *text = take(length + 1);
  memcpy(text, bytes, length);
  text[length] = 0;
  return text;
}

/* A JSON text as a payload; NULL is no value. */
static payload_t payload(const char *json) {
  payload_t value = {0};
  value.metadata.len = 1;
  value.metadata.ptr = take(sizeof *value.metadata.ptr);
  value.metadata.ptr[0].f0 = owned("encoding");
  string_t encoding = owned(json ? "json/plain" : "binary/null");
  value.metadata.ptr[0].f1.ptr = encoding.ptr;
  value.metadata.ptr[0].f1.len = encoding.len;
  string_t data = owned(json ? json : "");
  value.data.ptr = data.ptr;
  value.data.len = data.len;
  return value;
}

static char *json_of(const payload_t *value) {
  return value->data.len ? text_of(value->data.ptr, value->data.len) : NULL;
}

char *sg_argument(sg_arguments arguments, size_t place) {
  return place < arguments.count ? json_of(&arguments.first[place]) : NULL;
}

/* ---- Failures ---- */

static sg_failure *failed(failure_t chain) {
  sg_failure *failure = take(sizeof *failure);
  failure->chain = chain;
  string_t message = chain.len ? chain.ptr[0].message : lent("");
  failure->message = text_of(message.ptr, message.len);
  return failure;
}

sg_failure *sg_fail(const char *type, const char *message) {
  link_t *link = take(sizeof *link);
  memset(link, 0, sizeof *link);
  link->message = owned(message);
  link->source = owned("c");
  link->stack_trace = owned("");
  link->info.tag = SANDGLASS_WORKFLOW_TYPES_FAILURE_INFO_APPLICATION;
  link->info.val.application.failure_type = owned(type);
  return failed((failure_t){link, 1});
}

const char *sg_message(const sg_failure *failure) { return failure->message; }

/* What happened: the cause, if the failure itself only says to whom. NULL if there is nothing. */
static const link_t *cause(const sg_failure *failure) {
  const failure_t *chain = &failure->chain;
  if (!chain->len) return NULL;
  uint8_t tag = chain->ptr[0].info.tag;
  bool names = tag == SANDGLASS_WORKFLOW_TYPES_FAILURE_INFO_ACTIVITY ||
               tag == SANDGLASS_WORKFLOW_TYPES_FAILURE_INFO_CHILD_WORKFLOW;
  return &chain->ptr[names && chain->len > 1];
}

char *sg_cause_message(const sg_failure *failure) {
  const link_t *link = cause(failure);
  return link ? text_of(link->message.ptr, link->message.len) : text_of((uint8_t *)"", 0);
}

bool sg_is_canceled(const sg_failure *failure) {
  const link_t *link = cause(failure);
  return link && link->info.tag == SANDGLASS_WORKFLOW_TYPES_FAILURE_INFO_CANCELED;
}

char *sg_failed_activity(const sg_failure *failure) {
  const link_t *link = failure->chain.ptr;
  if (!failure->chain.len || link->info.tag != SANDGLASS_WORKFLOW_TYPES_FAILURE_INFO_ACTIVITY)
    return NULL;
  string_t type = link->info.val.activity.activity_type;
  return text_of(type.ptr, type.len);
}

char *sg_details(const sg_failure *failure) {
  const link_t *link = cause(failure);
  sandglass_workflow_types_list_payload_t details = {0};
  if (link && link->info.tag == SANDGLASS_WORKFLOW_TYPES_FAILURE_INFO_APPLICATION)
    details = link->info.val.application.details;
  if (link && link->info.tag == SANDGLASS_WORKFLOW_TYPES_FAILURE_INFO_CANCELED)
    details = link->info.val.canceled.details;
  return details.len ? json_of(&details.ptr[0]) : NULL;
}

void sg_free(sg_failure *failure) {
  if (!failure) return;
  sandglass_workflow_types_failure_free(&failure->chain);
  free(failure->message);
  free(failure);
}

/* ---- Operations ---- */

static sg_operation begun(bool ok, uint64_t number, failure_t refused) {
  return (sg_operation){ok ? number : 0, ok ? NULL : failed(refused)};
}

static sandglass_workflow_types_option_duration_t limit(uint64_t milliseconds) {
  return (sandglass_workflow_types_option_duration_t){milliseconds != 0, milliseconds};
}

static blocking_workflow_option_string_t maybe(const char *text) {
  return (blocking_workflow_option_string_t){text != NULL, lent(text)};
}

/* The arguments of a call, to be freed with free_arguments. */
static sandglass_workflow_types_list_payload_t arguments_of(
    const char *single, const char *const *all, size_t count) {
  const char *const *list = single ? &single : all;
  size_t length = single ? 1 : count;
  payload_t *values = take(length * sizeof *values);
  for (size_t i = 0; i < length; i++) values[i] = payload(list[i]);
  return (sandglass_workflow_types_list_payload_t){values, length};
}

static void free_arguments(sandglass_workflow_types_list_payload_t list) {
  for (size_t i = 0; i < list.len; i++) sandglass_workflow_types_payload_free(&list.ptr[i]);
  free(list.ptr);
}

static sandglass_workflow_types_activity_call_t described(const sg_call *call) {
  sandglass_workflow_types_activity_call_t wire = {0};
  wire.activity_type = lent(call->type);
  wire.task_queue = maybe(call->task_queue);
  wire.arguments = arguments_of(call->argument, call->arguments, call->arguments_count);
  wire.start_to_close = limit(call->start_to_close);
  wire.schedule_to_close = limit(call->schedule_to_close);
  wire.schedule_to_start = limit(call->schedule_to_start);
  wire.heartbeat = limit(call->heartbeat);
  wire.wait_timeout = limit(call->wait_timeout);
  wire.cancellation = call->cancellation;
  wire.retry.is_some = true;
  wire.retry.val.initial_interval = SG_SECOND;
  wire.retry.val.backoff_coefficient = 2;
  wire.retry.val.maximum_attempts = call->maximum_attempts;
  return wire;
}

sg_call sg_activity(const char *type) {
  return (sg_call){.type = type, .start_to_close = SG_MINUTE};
}

sg_operation sg_start(const sg_call *call) {
  sandglass_workflow_types_activity_call_t wire = described(call);
  uint64_t number;
  failure_t refused;
  bool ok = sandglass_workflow_activities_schedule_activity(current, &wire, &number, &refused);
  free_arguments(wire.arguments);
  return begun(ok, number, refused);
}

sg_operation sg_start_timer(uint64_t milliseconds) {
  uint64_t number;
  failure_t refused;
  bool ok = sandglass_workflow_timers_start_timer(current, milliseconds, &number, &refused);
  return begun(ok, number, refused);
}

sg_operation sg_start_child(const sg_child *child) {
  sandglass_workflow_children_child_call_t wire = {0};
  wire.workflow_type = lent(child->type);
  wire.workflow_id = maybe(child->workflow_id);
  sandglass_workflow_types_list_payload_t arguments =
      arguments_of(child->argument, NULL, 0);
  wire.arguments.ptr = arguments.ptr;
  wire.arguments.len = arguments.len;
  wire.cancellation = child->cancellation;
  wire.parent_close = child->parent_close;
  uint64_t number;
  failure_t refused;
  bool ok = sandglass_workflow_children_start_child(current, &wire, &number, &refused);
  free_arguments(arguments);
  return begun(ok, number, refused);
}

sg_failure *sg_wait(sg_operation operation, char **result) {
  if (result) *result = NULL;
  if (operation.refused) return operation.refused;
  sandglass_workflow_blocking_option_payload_t value;
  failure_t failure;
  if (!sandglass_workflow_blocking_wait(operation.number, &value, &failure)) return failed(failure);
  if (value.is_some) {
    if (result) *result = json_of(&value.val);
    sandglass_workflow_types_payload_free(&value.val);
  }
  return NULL;
}

size_t sg_wait_any(const sg_operation *operations, size_t count) {
  uint64_t *numbers = take(count * sizeof *numbers);
  for (size_t i = 0; i < count; i++) {
    numbers[i] = operations[i].number;
    if (operations[i].refused) {
      free(numbers);
      return i;
    }
  }
  sandglass_workflow_blocking_list_operation_t list = {numbers, count};
  uint64_t first = sandglass_workflow_blocking_wait_any(&list);
  size_t place = 0;
  while (operations[place].number != first) place++;
  free(numbers);
  return place;
}

char *sg_wait_start(sg_operation child) {
  string_t run_id;
  if (child.refused || !sandglass_workflow_blocking_wait_start(child.number, &run_id)) return NULL;
  char *text = text_of(run_id.ptr, run_id.len);
  blocking_workflow_string_free(&run_id);
  return text;
}

void sg_cancel(sg_operation operation) {
  if (!operation.refused) sandglass_workflow_cancellation_cancel_operation(operation.number);
}

sg_failure *sg_run(const sg_call *call, char **result) { return sg_wait(sg_start(call), result); }

sg_failure *sg_sleep(uint64_t milliseconds) { return sg_wait(sg_start_timer(milliseconds), NULL); }

/* ---- Scopes ---- */

static uint32_t enter(uint8_t kind, uint64_t milliseconds) {
  if (depth == sizeof around / sizeof *around) stop("scopes are nested more than 64 deep");
  sandglass_workflow_cancellation_scope_kind_t wire = {.tag = kind, .val = {milliseconds}};
  around[depth++] = current;
  current = sandglass_workflow_cancellation_open_scope(current, &wire);
  sandglass_workflow_blocking_call_in(current);
  return current;
}

uint32_t sg_enter_scope(void) {
  return enter(SANDGLASS_WORKFLOW_CANCELLATION_SCOPE_KIND_CANCELLABLE, 0);
}

uint32_t sg_enter_shielded(void) {
  return enter(SANDGLASS_WORKFLOW_CANCELLATION_SCOPE_KIND_SHIELDED, 0);
}

uint32_t sg_enter_detached(void) {
  return enter(SANDGLASS_WORKFLOW_CANCELLATION_SCOPE_KIND_DETACHED, 0);
}

uint32_t sg_enter_timeout(uint64_t milliseconds) {
  return enter(SANDGLASS_WORKFLOW_CANCELLATION_SCOPE_KIND_TIMEOUT, milliseconds);
}

void sg_leave(uint32_t scope) {
  if (!depth || scope != current)
    stop("sg_leave of a scope that is not the innermost: leave them in the reverse order");
  sandglass_workflow_cancellation_close_scope(scope);
  current = around[--depth];
  sandglass_workflow_blocking_call_in(current);
}

void sg_cancel_scope(uint32_t scope, const char *reason) {
  string_t text = lent(reason);
  sandglass_workflow_cancellation_cancel_scope(scope, &text);
}

uint32_t sg_scope(void) { return current; }

bool sg_is_scope_canceled(uint32_t scope) {
  sandglass_workflow_cancellation_cancel_info_t info;
  if (!sandglass_workflow_cancellation_get_cancel(scope, &info)) return false;
  sandglass_workflow_cancellation_cancel_info_free(&info);
  return true;
}

void sg_wait_canceled(uint32_t scope) { sandglass_workflow_blocking_wait_canceled(scope); }

/* ---- Compensation ---- */

void sg_compensate(sg_operation undoes, const sg_call *undo) {
  if (undoes.refused) return;
  sandglass_workflow_types_activity_call_t wire = described(undo);
  sandglass_workflow_compensation_push_compensation(
      current, &undoes.number, &wire, SANDGLASS_WORKFLOW_COMPENSATION_RUN_WHEN_EFFECTIVE);
  free_arguments(wire.arguments);
}

sg_failure *sg_undo(void) {
  sg_operation undoing = {.number = sandglass_workflow_compensation_compensate(current)};
  return sg_wait(undoing, NULL);
}

/* ---- Messages ---- */

/* Frees a signal but for its argument. */
static void taken(sandglass_workflow_blocking_signal_t *signal, char **argument) {
  if (argument && signal->arguments.len) *argument = json_of(&signal->arguments.ptr[0]);
  sandglass_workflow_blocking_signal_free(signal);
}

sg_failure *sg_signal(const char *name, char **argument) {
  if (argument) *argument = NULL;
  string_t text = lent(name);
  sandglass_workflow_blocking_signal_t signal;
  failure_t failure;
  if (!sandglass_workflow_blocking_next_signal(current, &text, &signal, &failure))
    return failed(failure);
  taken(&signal, argument);
  return NULL;
}

bool sg_try_signal(const char *name, char **argument) {
  if (argument) *argument = NULL;
  string_t text = lent(name);
  sandglass_workflow_blocking_signal_t signal;
  if (!sandglass_workflow_blocking_try_signal(&text, &signal)) return false;
  taken(&signal, argument);
  return true;
}

void sg_answer(const char *query, const char *json) {
  string_t name = lent(query);
  payload_t answer = payload(json);
  sandglass_workflow_blocking_answer_queries(&name, &answer);
  sandglass_workflow_types_payload_free(&answer);
}

void sg_handle_updates(const char *const *names, size_t count) {
  string_t *texts = take(count * sizeof *texts);
  for (size_t i = 0; i < count; i++) texts[i] = lent(names[i]);
  blocking_workflow_list_string_t list = {texts, count};
  sandglass_workflow_blocking_handle_updates(&list);
  free(texts);
}

sg_failure *sg_next_update(sg_update *update) {
  sandglass_workflow_blocking_update_t wire;
  failure_t failure;
  if (!sandglass_workflow_blocking_next_update(current, &wire, &failure)) return failed(failure);
  update->id = text_of(wire.id.ptr, wire.id.len);
  update->name = text_of(wire.name.ptr, wire.name.len);
  update->argument = wire.arguments.len ? json_of(&wire.arguments.ptr[0]) : NULL;
  sandglass_workflow_blocking_update_free(&wire);
  return NULL;
}

void sg_complete_update(sg_update *update, sg_failure *failure, const char *result) {
  string_t id = lent(update->id);
  sandglass_workflow_updates_result_payload_failure_t outcome = {.is_err = failure != NULL};
  if (failure) {
    outcome.val.err = failure->chain;
    free(failure->message);
    free(failure);
  } else {
    outcome.val.ok = payload(result);
  }
  sandglass_workflow_updates_complete_update(&id, &outcome);
  sandglass_workflow_updates_result_payload_failure_free(&outcome);
  free(update->id);
  free(update->name);
  free(update->argument);
}

/* ---- The run ---- */

void sg_continue_as_new(const char *argument) {
  sandglass_workflow_execution_outcome_t how = {
      .tag = SANDGLASS_WORKFLOW_EXECUTION_OUTCOME_CONTINUE_AS_NEW};
  sandglass_workflow_types_list_payload_t arguments = arguments_of(argument, NULL, 0);
  how.val.continue_as_new.arguments.ptr = arguments.ptr;
  how.val.continue_as_new.arguments.len = arguments.len;
  sandglass_workflow_execution_complete(&how);
  free_arguments(arguments);
}

uint64_t sg_now(void) { return sandglass_workflow_info_now(); }

void sg_random(void *bytes, uint32_t count) {
  blocking_workflow_list_u8_t drawn;
  sandglass_workflow_info_random_bytes(count, &drawn);
  memcpy(bytes, drawn.ptr, count);
  blocking_workflow_list_u8_free(&drawn);
}

static void log_line(sandglass_workflow_log_level_t level, const char *line) {
  string_t target = lent("c"), message = lent(line);
  sandglass_workflow_log_write(level, &target, &message);
}

static void stop(const char *message) {
  log_line(SANDGLASS_WORKFLOW_LOG_LEVEL_ERROR, message);
  abort();
}

void sg_log(const char *format, ...) {
  va_list values;
  va_start(values, format);
  int length = vsnprintf(NULL, 0, format, values);
  va_end(values);
  if (length < 0) return;
  /* Whole: cut between two bytes of one character it would be no text. */
  char *line = take((size_t)length + 1);
  va_start(values, format);
  vsnprintf(line, (size_t)length + 1, format, values);
  va_end(values);
  log_line(SANDGLASS_WORKFLOW_LOG_LEVEL_INFO, line);
  free(line);
}

bool sg_patched(const char *name) {
  string_t text = lent(name);
  return sandglass_workflow_info_patched(&text);
}

/* ---- What the host calls ---- */

void exports_sandglass_workflow_blocking_guest_definitions(
    exports_sandglass_workflow_blocking_guest_list_definition_t *ret) {
  ret->len = sg_entries_count;
  ret->ptr = take(sg_entries_count * sizeof *ret->ptr);
  for (size_t i = 0; i < sg_entries_count; i++) ret->ptr[i].name = owned(sg_entries[i].name);
}

bool exports_sandglass_workflow_blocking_guest_run(
    string_t *workflow_type, exports_sandglass_workflow_blocking_guest_list_payload_t *arguments,
    payload_t *ret, failure_t *err) {
  sg_failure *failure = NULL;
  char *result = NULL;
  size_t place = 0;
  while (place < sg_entries_count &&
         (strlen(sg_entries[place].name) != workflow_type->len ||
          memcmp(sg_entries[place].name, workflow_type->ptr, workflow_type->len)))
    place++;
  if (place == sg_entries_count)
    failure = sg_fail("UnknownWorkflow", "the component has no such workflow type");
  else
    failure = sg_entries[place].function((sg_arguments){arguments->ptr, arguments->len}, &result);
  if (failure) {
    *err = failure->chain;
    free(failure->message);
    free(failure);
    free(result);
    return false;
  }
  *ret = payload(result);
  free(result);
  return true;
}
