/** The last line of every check; `.ci/run` adds them up. */
export function summary({ passed, failed, skipped }) {
  return `tests: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`;
}
