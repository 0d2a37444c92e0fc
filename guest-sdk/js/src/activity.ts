//! Activities: work that the host does for the run, at least once.

import * as activities from "sandglass:workflow/activities@0.1.0";
import { Compensation, type RunWhen } from "./compensation";
import { Operation, awaitedAsItIs } from "./operation";
import { type ActivityOptions, type LocalActivityOptions, call } from "./options";
import { type Payload, decode, encode } from "./payload";
import { assertActive, currentScope } from "./run";
import { optionalMillis } from "./time";

/** A description of one activity to run, not started yet. */
export class ActivityCall<R = unknown> {
  /** The activity type. */
  readonly type: string;
  /** Its options. */
  readonly options: ActivityOptions;
  readonly #values: unknown[];
  /** Only for the type checker. @internal */
  declare readonly result?: R;

  constructor(type: string, values: unknown[], options: ActivityOptions) {
    this.type = type;
    this.options = options;
    this.#values = values;
  }

  /** Starts it in the current scope and returns the promise of its result. */
  start(): Activity<R> {
    return new Activity(this, activities.scheduleActivity);
  }

  /** The arguments. Throws if one has no JSON form. @internal */
  encoded(): Payload[] {
    return this.#values.map(encode);
  }
}

/**
 * An activity that was started: the promise of its result.
 *
 * A replay is given the recorded result and runs nothing. It rejects with an `ActivityFailure`,
 * whose cause says how it failed.
 *
 * When its scope is canceled, the activity's `cancellationType` decides: by default it is asked to
 * stop, and this waits for how it ends. In a scope that was canceled before the call, nothing is
 * started and this rejects with the cancellation.
 */
export class Activity<R> extends Operation<R> {
  /** @internal */
  constructor(wanted: ActivityCall<R>, schedule: typeof activities.scheduleActivity) {
    assertActive(`the activity ${wanted.type}`);
    super(
      () => schedule(currentScope(), call(wanted.type, wanted.encoded(), wanted.options)),
      (value) => decode(value as Payload, `the result of ${wanted.type}`) as R,
    );
  }

  /**
   * Registers an activity to be run by the host if the workflow fails or is canceled and this one
   * has, or may have, taken effect. To be called before the next `await`.
   *
   * Throws if an argument of `undo` has no JSON form.
   */
  compensatedBy(undo: ActivityCall<unknown>): this {
    this.compensateWith(undo);
    return this;
  }

  /**
   * As `compensatedBy`, with the choice of when it runs, and returning the registration so that its
   * arguments can be changed.
   */
  compensateWith(undo: ActivityCall<unknown>, when: RunWhen = "effective"): Compensation {
    // What was not started has no effect to undo.
    if (this.id === undefined && when === "effective") return Compensation.none();
    return Compensation.push(this.id ?? null, undo, when);
  }
}

awaitedAsItIs(Activity);

/** An activity as a function. */
export interface ActivityFunction<A extends unknown[], R> {
  /** Starts it in the current scope and returns the promise of its result. */
  (...values: A): Activity<R>;
  /** Describes a call without starting it, as of a compensation. */
  prepare(...values: A): ActivityCall<R>;
  /** The same activity with these options changed. */
  with(options: ActivityOptions): ActivityFunction<A, R>;
}

/** The activities of an interface, or of a module that has them, as functions. */
export type Activities<T> = {
  readonly [K in keyof T]: T[K] extends (...values: infer A) => infer R
    ? ActivityFunction<A, Awaited<R>>
    : never;
};

/** One activity, known by its name, as a function. */
export function activity<A extends unknown[] = unknown[], R = unknown>(
  type: string, options: ActivityOptions = {},
): ActivityFunction<A, R> {
  return asFunction(type, options, (described) => described.start());
}

/**
 * The activities of an interface as functions that share options.
 *
 * ```ts
 * interface Shop { charge(order: Order): Promise<Receipt> }
 * const { charge } = proxyActivities<Shop>({ startToCloseTimeout: "10s" });
 * const receipt = await charge(order);
 * ```
 */
export function proxyActivities<T>(options: ActivityOptions = {}): Activities<T> {
  return proxy((type) => activity(type, options));
}

/**
 * The same work as local activities: done by the host itself, inside of the workflow task. Cheaper
 * and without heartbeats; while one runs, the run takes nothing in but a request to cancel.
 */
export function proxyLocalActivities<T>(options: LocalActivityOptions = {}): Activities<T> {
  const threshold = optionalMillis(options.retryThreshold);
  const schedule: typeof activities.scheduleActivity = (scope, described) =>
    activities.scheduleLocalActivity(scope, described, threshold);
  return proxy((type) => asFunction(type, options, (wanted) => new Activity(wanted, schedule)));
}

function asFunction<A extends unknown[], R>(
  type: string, options: ActivityOptions, start: (wanted: ActivityCall<R>) => Activity<R>,
): ActivityFunction<A, R> {
  const prepare = (...values: A): ActivityCall<R> => new ActivityCall(type, values, options);
  return Object.assign((...values: A) => start(prepare(...values)), {
    prepare,
    with: (changed: ActivityOptions) => asFunction<A, R>(type, { ...options, ...changed }, start),
  });
}

function proxy<T>(make: (type: string) => unknown): Activities<T> {
  const made = new Map<string, unknown>();
  return new Proxy({} as Activities<T>, {
    get(_, type) {
      // A proxy that is awaited by mistake is no promise.
      if (typeof type !== "string" || type === "then") return undefined;
      if (!made.has(type)) made.set(type, make(type));
      return made.get(type);
    },
  });
}
