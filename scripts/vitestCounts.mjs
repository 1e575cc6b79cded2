/** The counts of vitest's JSON report. */
export function countTests(report) {
  // A file that does not load reports no tests, but counts as a failed one.
  const broken = report.testResults.filter((f) => f.status === 'failed' && f.assertionResults.length === 0);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
