//! The workflows of scenarios-js, as they are.

export * from "../scenarios-js/src/workflows";
