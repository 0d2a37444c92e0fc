/* Durable workflows in C.
 *
 * A workflow is an ordinary function that runs straight ahead: where it waits, for a timer, an
 * activity, a signal, the run rests, for months if need be, and goes on in the same place, also in
 * another process on another day. What it may depend on is its arguments and the answers of these
 * functions; files, threads and sockets are for activities.
 *
 * Values are JSON texts, ended by a zero byte. A function that can fail returns a failure, or NULL
 * if it did not; whoever gets one frees it or returns it from the workflow. What is returned by
 * pointer to a pointer is the caller's to free(). Each function below may end the call of the
 * workflow for good: if the host has other plans with the run, it is never returned from.
 *
 *     static sg_failure *greeter(sg_arguments arguments, char **result) {
 *         sg_failure *failure = sg_sleep(SG_DAY);
 *         if (failure) return failure;
 *         sg_call call = sg_activity("greet");
 *         call.argument = sg_argument(arguments, 0);
 *         return sg_run(&call, result);
 *     }
 *
 *     SG_WORKFLOWS({ "greeter", greeter })
 */
#ifndef SANDGLASS_H
#define SANDGLASS_H

#include "generated/blocking_workflow.h"

/* Lengths of time, in milliseconds. */
#define SG_SECOND 1000ull
#define SG_MINUTE (60 * SG_SECOND)
#define SG_HOUR (60 * SG_MINUTE)
#define SG_DAY (24 * SG_HOUR)

/* Why something did not succeed: a chain of causes, the outermost first. */
typedef struct sg_failure sg_failure;

/* The arguments of a workflow, an update or a signal. */
typedef struct {
  const sandglass_workflow_types_payload_t *first;
  size_t count;
} sg_arguments;

/* A workflow. On success it returns NULL and may have set `result` to a malloc()ed JSON text. */
typedef sg_failure *(*sg_workflow)(sg_arguments arguments, char **result);

/* A workflow type and its function. */
typedef struct {
  const char *name;
  sg_workflow function;
} sg_entry;

/* Lists the workflow types of the component: once in a program. */
#define SG_WORKFLOWS(...)                                                      \
  const sg_entry sg_entries[] = {__VA_ARGS__};                                 \
  const size_t sg_entries_count = sizeof sg_entries / sizeof sg_entries[0];

/* The JSON text of an argument, malloc()ed; NULL if there is none. */
char *sg_argument(sg_arguments arguments, size_t place);

/* ---- Failures ---- */

/* A failure of the workflow's own: its type is what retry policies and callers look at. */
sg_failure *sg_fail(const char *type, const char *message);
/* What went wrong, for people. Lives as long as the failure. */
const char *sg_message(const sg_failure *failure);
/* Whether it is a cancellation, bare or as the cause of an activity's or child's failure. */
bool sg_is_canceled(const sg_failure *failure);
/* What the activity or child said that failed; the failure's own message if it is none's. malloc()ed. */
char *sg_cause_message(const sg_failure *failure);
/* The activity whose failure it is, malloc()ed; NULL if it is no activity's. */
char *sg_failed_activity(const sg_failure *failure);
/* JSON text of the first detail that came with the failure or cancellation, or with the cause of an
 * activity's or child's; NULL if there is none. malloc()ed. */
char *sg_details(const sg_failure *failure);
void sg_free(sg_failure *failure);

/* ---- Operations: begun now, awaited later ---- */

/* Something begun. It belongs to the scope in which it was begun, and is canceled with it. */
typedef struct {
  uint64_t number;
  /* Why it was not begun, if it was not: its scope was canceled. `sg_wait` returns it. */
  sg_failure *refused;
} sg_operation;

/* An activity to run. Times in milliseconds, 0 for none; texts NULL for the default. */
typedef struct {
  const char *type;
  /* JSON text of its only argument, or NULL for none. More: `arguments`. */
  const char *argument;
  const char *const *arguments;
  size_t arguments_count;
  const char *task_queue;
  /* Limit for one attempt; 60 s from `sg_activity`. This or the next one must be given. */
  uint64_t start_to_close;
  uint64_t schedule_to_close;
  uint64_t schedule_to_start;
  uint64_t heartbeat;
  /* Longest wait for how it ends once it was canceled. */
  uint64_t wait_timeout;
  /* Most attempts; 0 for no limit. */
  uint32_t maximum_attempts;
  /* SANDGLASS_WORKFLOW_TYPES_CANCELLATION_TYPE_... */
  uint8_t cancellation;
} sg_call;

/* A child workflow to run. */
typedef struct {
  const char *type;
  const char *workflow_id;
  const char *argument;
  /* SANDGLASS_WORKFLOW_CHILDREN_... */
  uint8_t cancellation;
  uint8_t parent_close;
} sg_child;

/* A call with the defaults. */
sg_call sg_activity(const char *type);

sg_operation sg_start(const sg_call *call);
sg_operation sg_start_timer(uint64_t milliseconds);
sg_operation sg_start_child(const sg_child *child);
/* Waits for the end of an operation, and takes its result; once for each. `result` may be NULL. */
sg_failure *sg_wait(sg_operation operation, char **result);
/* Waits until one of the operations has ended; its place in the list. `sg_wait` has how. */
size_t sg_wait_any(const sg_operation *operations, size_t count);
/* Waits until a child has started: its run id, or NULL if it was not; `sg_wait` then has why. */
char *sg_wait_start(sg_operation child);
/* Cancels one operation. */
void sg_cancel(sg_operation operation);

/* Begins, and waits. */
sg_failure *sg_run(const sg_call *call, char **result);
sg_failure *sg_sleep(uint64_t milliseconds);

/* ---- Scopes ---- */

/* What is begun until the scope is left belongs to it. Scopes are left in reverse order. */
uint32_t sg_enter_scope(void);
/* One that cancellation does not reach from outside: for what must be finished. */
uint32_t sg_enter_shielded(void);
/* One that outlives its surroundings: for cleaning up once those are canceled. */
uint32_t sg_enter_detached(void);
/* One that is canceled when the time is over. */
uint32_t sg_enter_timeout(uint64_t milliseconds);
/* Leaves a scope. What is unfinished in it is canceled. */
void sg_leave(uint32_t scope);
void sg_cancel_scope(uint32_t scope, const char *reason);
/* The scope that is entered; 0 is the run itself. */
uint32_t sg_scope(void);
/* Whether a scope is canceled, or was asked to be if it is shielded. */
bool sg_is_scope_canceled(uint32_t scope);
/* Waits until it is. */
void sg_wait_canceled(uint32_t scope);

/* ---- Compensation ---- */

/* Has an activity undo an operation if the run does not complete: in reverse order, each once,
 * also if the code is never entered again. */
void sg_compensate(sg_operation undoes, const sg_call *undo);

/* Undoes now what the current scope and those below it have registered, and waits until that is done. The
 * failure is that of an undoing that failed; the others are done nevertheless. */
sg_failure *sg_undo(void);

/* ---- Messages ---- */

/* Waits for a signal of this name; the JSON text of its first argument, or NULL. */
sg_failure *sg_signal(const char *name, char **argument);
/* Takes a signal of this name if there is one, without waiting. Before a run is continued as a new one
 * it takes what has come: the new run is not given it. */
bool sg_try_signal(const char *name, char **argument);
/* What queries of this name are answered from now on: a JSON text. */
void sg_answer(const char *query, const char *json);
/* An update that waits for its answer. */
typedef struct {
  char *id;
  char *name;
  /* JSON text of its first argument, or NULL. */
  char *argument;
} sg_update;
/* Which updates are handled from now on. Others are refused, but for those that came before the run
 * began: look at `name`. */
void sg_handle_updates(const char *const *names, size_t count);
/* Waits for an update. */
sg_failure *sg_next_update(sg_update *update);
/* Answers it, with a JSON text or with a failure if that is not NULL, and frees it and the failure. */
void sg_complete_update(sg_update *update, sg_failure *failure, const char *result);

/* ---- The run ---- */

/* The time of the run, in milliseconds since 1970. It stands still while the code computes. */
uint64_t sg_now(void);
/* Random bytes, the same in each replay. */
void sg_random(void *bytes, uint32_t count);
/* A line in the run's log; silent in replay. Formats as printf. */
void sg_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the run and goes on with another of its workflow id, with an empty history and this argument,
 * as soon as the workflow returns; what it returns does not matter then. */
void sg_continue_as_new(const char *argument);
/* Whether this run has, or gets, a change of the code by this name. */
bool sg_patched(const char *name);

#endif
