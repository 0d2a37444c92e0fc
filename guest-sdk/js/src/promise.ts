//! `Promise` with a job queue of our own.
//!
//! A component's engine runs the jobs of its own promises when it likes: QuickJS only while an
//! async export is called. A workflow has to be quiescent when `activate` returns, so its promises
//! are these. `sandglass build` compiles `async` functions to generators that use them. The order
//! of jobs is that of ECMAScript.
//!
//! Since every continuation passes by here, each runs in the context in which it was registered:
//! that is how code after an `await` knows the scope it runs in.

/** What a continuation takes with it. Never changed, only replaced. */
export interface Context {
  /** The number of the current cancellation scope. */
  readonly scope: number;
}

type Job = () => void;
type Resolve = (value: unknown) => void;
type Settle = { resolve: Resolve; reject: Resolve };
type Handler = ((value: never) => unknown) | null | undefined;

interface Reaction {
  readonly fulfilled: Handler;
  readonly rejected: Handler;
  readonly derived: Settle;
  readonly context: Context;
}

/** The context of the run's main code. */
export const ROOT: Context = { scope: 0 };

let current: Context = ROOT;
let jobs: (Job | undefined)[] = [];
let next = 0;
/** Rejected promises that nobody has looked at, in the order of their rejection. */
const unhandled = new Set<DurablePromise<unknown>>();

/** Returns the context that is current now. */
export function context(): Context {
  return current;
}

/** Calls a function in a context. */
export function runIn<T>(wanted: Context, f: () => T): T {
  const before = current;
  current = wanted;
  try {
    return f();
  } finally {
    current = before;
  }
}

/** Adds a job that runs in the context that is current now. */
export function enqueue(job: Job): void {
  const captured = current;
  jobs.push(() => runIn(captured, job));
}

/** Runs jobs until there is none left, or until `stop` says so; then the rest is forgotten. */
export function drain(stop: () => boolean): void {
  while (next < jobs.length && !stop()) {
    const job = jobs[next] as Job;
    jobs[next++] = undefined;
    job();
  }
  jobs = [];
  next = 0;
}

/** Takes the reasons of the rejections that nobody handles. */
export function takeUnhandled(): unknown[] {
  const reasons = Array.from(unhandled, reasonOf);
  unhandled.clear();
  return reasons;
}

let reasonOf: (promise: DurablePromise<unknown>) => unknown;
let isDurable: (value: unknown) => value is DurablePromise<unknown>;

/** The `Promise` of workflows. What it does is what ECMAScript says. */
export class DurablePromise<T> {
  #state: "pending" | "fulfilled" | "rejected" = "pending";
  #value: unknown;
  #reactions: Reaction[] = [];
  #handled = false;

  static {
    reasonOf = (promise) => promise.#value;
    isDurable = (value): value is DurablePromise<unknown> =>
      typeof value === "object" && value !== null && #state in value;
  }

  constructor(executor: (resolve: (value: T | PromiseLike<T>) => void, reject: Resolve) => void) {
    if (typeof executor !== "function") {
      throw new TypeError("a promise is made with a function");
    }
    const { resolve, reject } = this.#settle();
    try {
      executor(resolve as (value: T | PromiseLike<T>) => void, reject);
    } catch (error) {
      reject(error);
    }
  }

  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const kind = species(this);
    if (kind === DurablePromise) {
      const derived = new DurablePromise<A | B>(nothing);
      this.#react(fulfilled, rejected, derived.#settle());
      return derived as unknown as Promise<A | B>;
    }
    const { promise, ...derived } = capability(kind);
    this.#react(fulfilled, rejected, derived);
    return promise as Promise<A | B>;
  }

  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, rejected);
  }

  finally(f?: (() => void) | null): Promise<T> {
    if (typeof f !== "function") return this.then(f as never, f as never);
    const kind = species(this);
    const after = (then: () => unknown): unknown => {
      const done = promiseOf(kind, (f as () => unknown)());
      return done.then(then as never);
    };
    return this.then(
      (value) => after(() => value) as T,
      (reason) => after(() => { throw reason; }) as T,
    );
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }

  static get [Symbol.species](): typeof DurablePromise {
    return this;
  }

  static resolve(this: typeof DurablePromise, value?: unknown): unknown {
    return promiseOf(this, value);
  }

  static reject(this: typeof DurablePromise, reason?: unknown): unknown {
    const { promise, reject } = capability(this);
    reject(reason);
    return promise;
  }

  static withResolvers(this: typeof DurablePromise): unknown {
    return capability(this);
  }

  static try(
    this: typeof DurablePromise, f: (...a: unknown[]) => unknown, ...a: unknown[]
  ): unknown {
    const { promise, resolve, reject } = capability(this);
    try {
      resolve(f(...a));
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  static all(this: typeof DurablePromise, all: Iterable<unknown>): unknown {
    return combine(this, all, false, (entry, at, values, done) => {
      entry.then((value: unknown) => { values[at] = value; done(); });
    });
  }

  static allSettled(this: typeof DurablePromise, all: Iterable<unknown>): unknown {
    return combine(this, all, false, (entry, at, values, done) => {
      const note = (outcome: object): void => { values[at] = outcome; done(); };
      entry.then(
        (value: unknown) => note({ status: "fulfilled", value }),
        (reason: unknown) => note({ status: "rejected", reason }),
      );
    });
  }

  static any(this: typeof DurablePromise, all: Iterable<unknown>): unknown {
    return combine(this, all, true, (entry, at, errors, done) => {
      entry.then(undefined, (reason: unknown) => { errors[at] = reason; done(); });
    });
  }

  static race(this: typeof DurablePromise, all: Iterable<unknown>): unknown {
    const { promise, resolve, reject } = capability(this);
    try {
      for (const entry of all) (this.resolve(entry) as Thenable).then(resolve, reject);
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  /** Makes the two functions of which the first call settles this. */
  #settle(): Settle {
    let called = false;
    return {
      resolve: (value) => {
        if (called) return;
        called = true;
        this.#resolve(value);
      },
      reject: (reason) => {
        if (called) return;
        called = true;
        this.#close("rejected", reason);
      },
    };
  }

  #resolve(value: unknown): void {
    if (value === this) {
      this.#close("rejected", new TypeError("a promise cannot be resolved with itself"));
      return;
    }
    let then: unknown;
    try {
      then = isObject(value) ? (value as { then?: unknown }).then : undefined;
    } catch (error) {
      this.#close("rejected", error);
      return;
    }
    if (typeof then !== "function") {
      this.#close("fulfilled", value);
      return;
    }
    const { resolve, reject } = this.#settle();
    enqueue(() => {
      try {
        then.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #close(state: "fulfilled" | "rejected", value: unknown): void {
    const reactions = this.#reactions;
    this.#state = state;
    this.#value = value;
    this.#reactions = [];
    if (state === "rejected" && !this.#handled) unhandled.add(this);
    for (const reaction of reactions) this.#run(reaction);
  }

  #react(fulfilled: Handler, rejected: Handler, derived: Settle): void {
    const reaction = { fulfilled, rejected, derived, context: current };
    if (this.#state === "pending") this.#reactions.push(reaction);
    else this.#run(reaction);
    if (this.#state === "rejected") unhandled.delete(this);
    this.#handled = true;
  }

  #run({ fulfilled, rejected, derived, context }: Reaction): void {
    const [state, value] = [this.#state, this.#value];
    const handler = state === "fulfilled" ? fulfilled : rejected;
    runIn(context, () => enqueue(() => {
      if (typeof handler !== "function") {
        (state === "fulfilled" ? derived.resolve : derived.reject)(value);
        return;
      }
      let result: unknown;
      try {
        result = handler(value as never);
      } catch (error) {
        derived.reject(error);
        return;
      }
      derived.resolve(result);
    }));
  }
}

Object.defineProperty(DurablePromise, "name", { value: "Promise" });

type Thenable = { then: (fulfilled?: unknown, rejected?: unknown) => unknown };
type Kind = typeof DurablePromise;

function nothing(): void {}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** The constructor of what `then` returns. */
function species(promise: object): Kind {
  const kind = (promise as { constructor?: { [Symbol.species]?: Kind | null } }).constructor;
  return kind === undefined ? DurablePromise : (kind[Symbol.species] ?? DurablePromise);
}

function capability(kind: Kind): Settle & { promise: unknown } {
  let resolve: Resolve | undefined;
  let reject: Resolve | undefined;
  const promise = new kind((yes, no) => { resolve = yes as Resolve; reject = no; });
  if (typeof resolve !== "function" || typeof reject !== "function") {
    throw new TypeError("this is no constructor of promises");
  }
  return { promise, resolve, reject };
}

function promiseOf(kind: Kind, value: unknown): Thenable {
  if (isDurable(value) && (value as object).constructor === kind) {
    return value as unknown as Thenable;
  }
  const { promise, resolve } = capability(kind);
  resolve(value);
  return promise as Thenable;
}

type Follow = (entry: Thenable, at: number, values: unknown[], done: () => void) => void;

/** What `all`, `allSettled` and `any` have in common: entries are counted down. */
function combine(kind: Kind, all: Iterable<unknown>, isAny: boolean, follow: Follow): unknown {
  const { promise, resolve, reject } = capability(kind);
  const values: unknown[] = [];
  let left = 1;
  const done = (): void => {
    if (--left > 0) return;
    if (isAny) reject(new AggregateError(values, "every promise was rejected"));
    else resolve(values);
  };
  try {
    let at = 0;
    for (const value of all) {
      left++;
      const entry = kind.resolve(value) as Thenable;
      values.push(undefined);
      follow(pass(entry, resolve, reject), at++, values, once(done));
    }
    done();
  } catch (error) {
    reject(error);
  }
  return promise;
}

/** The entry, with what a combination does not follow itself going to the combination. */
function pass(entry: Thenable, resolve: Resolve, reject: Resolve): Thenable {
  return {
    then: (fulfilled, rejected) => entry.then(fulfilled ?? resolve, rejected ?? reject),
  };
}

function once(f: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    f();
  };
}
