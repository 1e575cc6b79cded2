/** The last line of every check, which `.ci/run` adds up. */
export function summary({ passed, failed, skipped }) {
  return `tests: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`;
}
