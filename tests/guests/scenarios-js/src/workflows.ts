//! The workflows of the acceptance scenarios, in TypeScript: what they do, and which activities the
//! test host serves, is in tests/guests/scenarios/README.md.

export { a01, a08, a09, a10 } from "./simple";
export { a04, a04_then_sleep, a05, a06 } from "./cleanup";
export { a07, a24 } from "./scopes";
export { a13 } from "./relatives";
export { a21, a21_then_sleep } from "./saga";
export { observe } from "./determinism";
export { platform } from "./platform";
export { libraries } from "./libraries";
