//! Numbers that look random, the same for the same seed.

/** Numbers that look random, from a seed. */
export function generator(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
